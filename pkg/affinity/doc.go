// Package affinity knows the instances of the proxy: at which endpoint clients and other instances
// reach each of them, and how a request is passed on to the instance that holds its operation.
package affinity
