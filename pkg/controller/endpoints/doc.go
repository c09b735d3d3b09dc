// Package endpoints publishes the address at which clients reach each instance of the proxy.
//
// Its root kind is the proxy's StatefulSet. After any change it checks all pods again. For every
// pod it finds host and port, manages the Service that some modes need, and writes in this order
// what pkg/affinity defines: the directory, the pod's annotation, and the readiness gate.
package endpoints
