// Package endpoints publishes under which address clients reach each instance of the proxy.
//
// Its one root kind is the proxy's StatefulSet: whatever changes, all pods are looked at anew. For
// every pod it finds host and port, owns the Service that a mode needs for it, and writes what
// pkg/affinity says: the directory, the pod's annotation, and then the readiness gate.
package endpoints
