# Repositories for the commands of the documentation, and the clock of a page.  tests/docs/console.py reads this file.

clock() { # SECONDS: move the clock forward
    PAGE_EPOCH=$((${PAGE_EPOCH:-1772442000} + $1))
    export PAGE_TIME
    PAGE_TIME=$(date -u -d "@$PAGE_EPOCH" +%Y-%m-%dT%H:%M:%SZ)
    export GIT_AUTHOR_DATE="$PAGE_EPOCH +0000" GIT_COMMITTER_DATE="$PAGE_EPOCH +0000"
}

repository() { # NAME: begin a new repository, with the state NAME
    PAGE_EPOCH=; clock 0
    cd ~ && rm -rf shop shop.git && mkdir shop && cd shop && git init --quiet --initial-branch=main && "$1"
}

nothing() { cd ~ && rm -rf shop; }

empty() { :; }

sources() { # the manifests of the example, nothing rendered
    cp -r "$PROJECT/environments" "$PROJECT/rollstep.yaml" . && rm -r environments/dev && sed -i "/^environments:/,\$d" rollstep.yaml &&
        find environments \( -name rendered -o -name status.yaml \) -prune -exec rm -r {} + &&
        git add --all && git commit --quiet --message "Add web and api"
}

begun() { # version 1.0.0 of web and api, pushed to a remote
    sources && rollstep advance --all --yes >/dev/null && git init --quiet --bare --initial-branch=main ~/shop.git &&
        git remote add origin ~/shop.git && git push --quiet --set-upstream origin main && clock 172800
}

expanded() { # the release of web 1.1.0 with its first pods
    begun && rollstep set image prod/web web=registry.example.com/shop/web:1.1.0 >/dev/null && git push --quiet && clock 60
}

paused() { # the release of web 1.1.0, paused at 20%
    expanded &&
        rollstep advance prod/web >/dev/null && git push --quiet && clock 240
}

released() { # web 1.1.0, complete
    paused && rollstep promote prod/web --full >/dev/null && clock 60 && rollstep advance prod/web >/dev/null && clock 60 &&
        rollstep advance prod/web >/dev/null && git push --quiet && clock 3600
}

diverged() { # two branches that move one release: ours promotes it, theirs aborts it
    paused && git switch --quiet --create their-branch && rollstep abort prod/web >/dev/null &&
        git switch --quiet main && clock 60 && rollstep promote prod/web >/dev/null
}

staged() { # web 1.1.0 in staging and in prod, with staging ahead
    begun &&
        rollstep set image staging/web prod/web web=registry.example.com/shop/web:1.1.0 --yes >/dev/null && clock 60 &&
        rollstep advance staging/web >/dev/null
}

proposed() { # the next step of a release on a branch of its own, and a key to approve it with
    paused && ssh-keygen -q -t ed25519 -N "" -C alice@example.com -f ~/key && printf 'alice@example.com %s\n' "$(cat ~/key.pub)" >~/signers &&
        git config gpg.format ssh && git config user.signingKey ~/key && git config gpg.ssh.allowedSignersFile ~/signers &&
        git switch --quiet --create step && rollstep promote prod/web >/dev/null && git push --quiet origin step &&
        git switch --quiet main
}

branched() { # a branch with the rendered manifests of each environment
    begun && sed -i 's|^  commit:$|&\n    environmentBranch: env/${environment}|' rollstep.yaml &&
        git commit --quiet --all --message "Render into branches" && rollstep publish prod >/dev/null &&
        git push --quiet origin main env/prod
}

amended() { # main has lost the commit that the branch of prod was rendered from
    branched && rollstep set image prod/web web=registry.example.com/shop/web:1.1.0 >/dev/null &&
        git push --quiet origin main env/prod && git commit --quiet --amend --message "web (prod): set image" &&
        git push --quiet --force origin main
}

clock 0
