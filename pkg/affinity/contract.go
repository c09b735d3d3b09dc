package affinity

// The contract between the controller and the proxy. The controller writes these. The proxy reads
// them from mounted files, because it has no client of the Kubernetes API.
const (
	// EndpointAnnotation of a pod holds the pod's own Published as JSON. The downward API mounts it as
	// a file of the pod.
	EndpointAnnotation = "signstash.io/endpoint"
	// EndpointCondition is the readiness gate of a pod. It is true while clients reach the pod at the
	// endpoint in its annotation.
	EndpointCondition = "signstash.io/endpoint-published"
	// RefreshAnnotation of a pod is changed after a mounted file has changed, because the kubelet then
	// updates the file at once.
	RefreshAnnotation = "signstash.io/refreshed"
	// PeersAnnotation of a pod names the version of the directory that its kubelet was told to mount.
	PeersAnnotation = "signstash.io/peers"
	// DirectoryKey is the key of the endpoints ConfigMap that holds a Directory as JSON. It is also
	// the name of the mounted file.
	DirectoryKey = "endpoints.json"
)

// Published is the endpoint of one instance as the controller knows it.
type Published struct {
	Name    string `json:"name"`    // of the instance: the name of its pod. Its answers carry this name (InstanceHeader)
	Ordinal int    `json:"ordinal"` // 0 to 1023
	// Instance identifies a run of the instance: it is the pod's UID. Another pod may reuse the
	// address. A later run with the same ordinal and state folder answers as this run (Identity).
	Instance string `json:"instance"`
	Host     string `json:"host"` // where clients reach it; an IPv6 address without brackets
	Port     int    `json:"port"`
	Internal string `json:"internal"` // host:port where peers reach it, whether it is ready or not
	// Unreachable says that clients cannot reach the instance now. Host and Port are then those of
	// Internal.
	Unreachable bool `json:"unreachable,omitempty"`
}

// Directory lists all instances and their endpoints. Its JSON is deterministic because the
// endpoints are ordered by ordinal.
type Directory struct {
	// Expected is the desired number of instances. The instances 0 to Expected-1 must all have
	// answered before a reference counts as unknown.
	Expected int `json:"expected"`
	// Ever is one more than the highest ordinal that ever had an endpoint, because the volumes of
	// scaled-down instances keep their operations.
	Ever      int         `json:"ever"`
	Endpoints []Published `json:"endpoints"`

	// Stopped is the desired number of instances before all were stopped by a desired number of 0. It
	// is 0 unless Expected is 0. Stopped instances are not removed for good.
	Stopped int `json:"stopped,omitempty"`
	// Removals counts, by ordinal, how often Expected was lowered so far that the instance was not
	// expected any more. A missing ordinal has the count 0. See RemovalsOf.
	Removals map[int]uint64 `json:"removals,omitempty"`
	// RemovalsBase is added to the count of every ordinal. It is the Unix time in milliseconds at
	// which the directory was written for the first time, or again after its loss. So the loss of
	// the directory lowers no number. It is 0 in a directory that an earlier release has begun.
	RemovalsBase uint64 `json:"removalsBase,omitempty"`
}

// RemovalsOf returns a number that grows whenever the instance of an ordinal is removed for good,
// or may have been removed because the directory was lost.
func (d *Directory) RemovalsOf(ordinal int) uint64 { return d.RemovalsBase + d.Removals[ordinal] }
