// Package controller runs the Kubernetes controller, which gives client credentials and endpoints
// to the instances of the proxy. The instances themselves do not call the Kubernetes API.
package controller
