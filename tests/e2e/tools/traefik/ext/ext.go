// Package ext stands for a module that Traefik keeps in its own repository and no proxy has: places for other
// products' settings, which are none here.
package ext

// HTTP adds nothing to the settings of HTTP.
//
// +k8s:deepcopy-gen=true
type HTTP struct{}

// DeepCopyInto copies nothing.
func (in *HTTP) DeepCopyInto(out *HTTP) { *out = *in }

// Router adds nothing to the settings of a router.
//
// +k8s:deepcopy-gen=true
type Router struct{}

// DeepCopyInto copies nothing.
func (in *Router) DeepCopyInto(out *Router) { *out = *in }
