package affinity

// What the controller and the proxy agree upon. The controller writes these, the proxy reads them
// from mounted files: it has no client of the cluster.
const (
	// EndpointAnnotation on a pod holds its own Published as JSON. The downward API mounts it as a
	// file of the pod.
	EndpointAnnotation = "signstash.io/endpoint"
	// EndpointCondition is the readiness gate of a pod: true while the endpoint that its annotation
	// names is the one clients reach.
	EndpointCondition = "signstash.io/endpoint-published"
	// RefreshAnnotation on a pod is touched when a mounted file has changed: the kubelet then brings
	// it up to date at once.
	RefreshAnnotation = "signstash.io/refreshed"
	// PeersAnnotation on a pod names the version of the directory that its kubelet was told to mount.
	PeersAnnotation = "signstash.io/peers"
	// DirectoryKey is the key of the endpoints ConfigMap that holds a Directory as JSON, and so the
	// file's name where it is mounted.
	DirectoryKey = "endpoints.json"
)

// Published is the endpoint of one instance as the controller knows it.
type Published struct {
	Name     string `json:"name"`     // of the instance: its pod's name. Its answers carry it (InstanceHeader)
	Ordinal  int    `json:"ordinal"`  // 0 to 1023
	Instance string `json:"instance"` // identity of this run of it (the pod's UID): addresses are used again by others
	Host     string `json:"host"`     // where clients reach it; an IPv6 address without brackets
	Port     int    `json:"port"`
	Internal string `json:"internal"` // host:port where peers reach it, ready or not
	// Unreachable says that clients do not reach it now: Host and Port are those of Internal then.
	Unreachable bool `json:"unreachable,omitempty"`
}

// Directory is who is who. Its JSON is deterministic: endpoints by ordinal.
type Directory struct {
	// Expected is how many instances there shall be: the ordinals 0 to Expected-1 must have answered
	// before a reference is unknown.
	Expected int `json:"expected"`
	// Ever is one more than the highest ordinal that ever had an endpoint: volumes of scaled-down
	// instances keep their operations.
	Ever      int         `json:"ever"`
	Endpoints []Published `json:"endpoints"`
}
