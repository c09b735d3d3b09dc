// Package cluster makes, loads and removes the kind cluster that the end-to-end tests run in.
//
// It needs a Docker engine that answers (hack/kind/host brings one up). Where kind's own node image
// cannot be pulled, it has hack/kind/build-node-image make one.
package cluster
