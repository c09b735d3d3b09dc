// Package testenv starts a real API server with its etcd for the tests of the controller.
//
// No other part of a cluster runs in it: nothing collects garbage, no StatefulSet makes pods, no
// kubelet mounts files.
package testenv
