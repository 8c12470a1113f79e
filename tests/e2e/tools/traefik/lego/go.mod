// Pins the ACME library whose copy, without its DNS providers, Traefik is built from.
module rollstep.example.com/e2e/lego

go 1.26.0

require github.com/go-acme/lego/v5 v5.4.1
