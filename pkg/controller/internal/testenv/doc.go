// Package testenv starts a real API server with etcd for the tests of the controller.
//
// No other part of a cluster runs. There is no garbage collection, no StatefulSet creates pods, and
// no kubelet mounts files.
package testenv
