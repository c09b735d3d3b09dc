package main

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/apimachinery/pkg/util/httpstream/spdy"
)

// kubelet answers the port-forwards of the API server, as the kubelet of a node does.
type kubelet struct {
	port int

	mu   sync.Mutex
	pods map[string]string // address of the management port, by NAMESPACE/POD/PORT
}

func startKubelet(t *testing.T) *kubelet {
	t.Helper()
	k := &kubelet{pods: map[string]string{}}
	mux := http.NewServeMux()
	mux.HandleFunc("/portForward/{namespace}/{pod}", k.forward)
	s := httptest.NewTLSServer(mux)
	t.Cleanup(s.Close)
	k.port = s.Listener.Addr().(*net.TCPAddr).Port
	return k
}

// serve makes a handler the management port of a pod.
func (k *kubelet) serve(t *testing.T, namespace, pod string, h http.Handler) {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	k.mu.Lock()
	defer k.mu.Unlock()
	k.pods[namespace+"/"+pod+"/8081"] = s.Listener.Addr().String()
}

func (k *kubelet) address(pod, port string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.pods[pod+"/"+port]
}

// forward serves one port-forward until its client closes it.
func (k *kubelet) forward(w http.ResponseWriter, r *http.Request) {
	if _, err := httpstream.Handshake(r, w, []string{"portforward.k8s.io"}); err != nil {
		return
	}
	pod := r.PathValue("namespace") + "/" + r.PathValue("pod")
	var mu sync.Mutex
	reasons := map[string]httpstream.Stream{} // error streams that wait for their data stream
	opened := func(s httpstream.Stream, replied <-chan struct{}) error {
		mu.Lock()
		defer mu.Unlock()
		id := s.Headers().Get(corev1.PortForwardRequestIDHeader)
		if s.Headers().Get(corev1.StreamType) == corev1.StreamTypeError {
			reasons[id] = s
			return nil
		}
		reason := reasons[id]
		go func() {
			<-replied
			k.connect(pod, s, reason)
		}()
		return nil
	}
	conn := spdy.NewResponseUpgrader().UpgradeResponse(w, r, opened)
	if conn == nil {
		return
	}
	defer conn.Close()
	<-conn.CloseChan()
}

// connect connects a data stream with the management port of a pod.
func (k *kubelet) connect(pod string, data, reason httpstream.Stream) {
	defer reason.Close()
	defer data.Close()
	port := data.Headers().Get(corev1.PortHeader)
	conn, err := net.Dial("tcp", k.address(pod, port))
	if err != nil {
		fmt.Fprintf(reason, "nothing listens on port %s of %s", port, pod[strings.IndexByte(pod, '/')+1:])
		return
	}
	defer conn.Close()
	go func() {
		_, _ = io.Copy(conn, data)
		_ = conn.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(data, conn)
}
