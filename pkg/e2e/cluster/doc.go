// Package cluster creates and removes the kind cluster of the end-to-end tests and loads images
// into it.
//
// It needs a running Docker engine (hack/kind/host starts one). If kind's own node image cannot be
// pulled, hack/kind/build-node-image builds one.
package cluster
