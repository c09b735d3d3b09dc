// Package controller is the part of the product that knows Kubernetes: it makes client credentials
// and endpoints known to the instances of the proxy, which have no client of the cluster.
package controller
