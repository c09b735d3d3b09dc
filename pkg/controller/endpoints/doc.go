// Package endpoints publishes the address at which clients reach each instance of the proxy.
//
// Its root kind is the proxy's StatefulSet. After any change it checks all pods again. For every
// pod it finds host and port, and manages the Service and the route that some modes need. It writes
// in this order what pkg/affinity defines: the directory, the pod's annotation, and the readiness
// gate.
//
// After a change of the mode, a pod stays published at its old address until the new one is known,
// and the old address is given up only then.
package endpoints
