package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/httpstream"
	"k8s.io/client-go/tools/portforward"
	"k8s.io/client-go/transport/spdy"
)

const (
	// podTimeout bounds all questions to one instance. An instance with a slow disk needs up to ten
	// seconds for an answer.
	podTimeout = 20 * time.Second
	// maxTunnels bounds the number of instances that are asked at the same time.
	maxTunnels = 8
	// reasonTimeout is how long to wait for the kubelet's text about a connection that has ended.
	reasonTimeout = time.Second
)

// ask calls question for each pod, for some of them at the same time, and returns the errors in the
// order of the pods. question gets an HTTP client that reaches the management port of the pod at
// any host name. The calls go through the port-forward of the API server and of the kubelet, and
// so reach the pod where a NetworkPolicy closes the management port.
func (c *cluster) ask(
	ctx context.Context, pods []corev1.Pod, question func(ctx context.Context, i int, h *http.Client) error,
) []error {
	faults := make([]error, len(pods))
	var all sync.WaitGroup
	places := make(chan struct{}, maxTunnels)
	for i := range pods {
		all.Go(func() {
			places <- struct{}{}
			defer func() { <-places }()
			ctx, cancel := context.WithTimeout(ctx, podTimeout)
			defer cancel()
			faults[i] = c.askOne(ctx, &pods[i], func(h *http.Client) error { return question(ctx, i, h) })
		})
	}
	all.Wait()
	return faults
}

func (c *cluster) askOne(ctx context.Context, pod *corev1.Pod, question func(*http.Client) error) error {
	if pod.Status.Phase != corev1.PodRunning {
		return fmt.Errorf("the pod is %s", strings.ToLower(string(pod.Status.Phase)))
	}
	t, err := c.openTunnel(ctx, pod)
	if err != nil {
		return err
	}
	defer t.conn.Close()
	transport := &http.Transport{DialContext: t.dial, DisableCompression: true}
	defer transport.CloseIdleConnections()
	err = question(&http.Client{Transport: transport})
	if errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("no answer within %v", podTimeout)
	}
	if wrapped := new(url.Error); errors.As(err, &wrapped) {
		if text := t.refusal(); text != "" {
			return fmt.Errorf("the management port does not answer: %s", text)
		}
		return wrapped.Err // without the address, whose host means nothing
	}
	return err
}

// tunnel is a port-forward to a pod.
type tunnel struct {
	conn httpstream.Connection
	port string
	next atomic.Int64 // number of the next connection
	last atomic.Pointer[podConn]
}

// openTunnel opens a port-forward. It uses WebSocket, or SPDY if the API server or a proxy before
// it does not support WebSocket. It also uses SPDY if WebSocket is forbidden, because WebSocket
// needs the right to get pods/portforward besides the right to create it, and many roles have only
// the second one.
func (c *cluster) openTunnel(ctx context.Context, pod *corev1.Pod) (*tunnel, error) {
	address := c.api.CoreV1().RESTClient().Post().Resource("pods").Namespace(pod.Namespace).Name(pod.Name).
		SubResource("portforward").URL()
	dialer, err := c.dialer(address)
	if err != nil {
		return nil, fmt.Errorf("open a port-forward: %w", err)
	}
	type result struct {
		conn httpstream.Connection
		err  error
	}
	opened := make(chan result, 1)
	go func() { // because Dial knows no context
		conn, _, err := dialer.Dial(portforward.PortForwardProtocolV1Name)
		opened <- result{conn, err}
	}()
	select {
	case r := <-opened:
		if r.err != nil {
			return nil, c.tunnelFault(r.err)
		}
		return &tunnel{conn: r.conn, port: strconv.Itoa(managementPort(pod))}, nil
	case <-ctx.Done():
		go func() {
			if r := <-opened; r.conn != nil {
				_ = r.conn.Close()
			}
		}()
		return nil, errors.New("the port-forward did not open in time")
	}
}

func (c *cluster) dialer(address *url.URL) (httpstream.Dialer, error) {
	transport, upgrader, err := spdy.RoundTripperFor(c.config)
	if err != nil {
		return nil, err
	}
	older := spdy.NewDialer(upgrader, &http.Client{Transport: transport}, http.MethodPost, address)
	newer, err := portforward.NewSPDYOverWebsocketDialer(address, c.config)
	if err != nil {
		return nil, err
	}
	return portforward.NewFallbackDialer(newer, older, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err) || forbidden(err)
	}), nil
}

// forbidden reports whether the API server refused a port-forward because of a missing right. The
// error of a refused upgrade is only a text.
func forbidden(err error) bool { return strings.Contains(err.Error(), "forbidden") }

// tunnelFault explains why a port-forward failed.
func (c *cluster) tunnelFault(err error) error {
	needed := right{"create", "pods/portforward"}
	if forbidden(err) {
		return c.fault(apierrors.NewForbidden(corev1.Resource("pods/portforward"), "", err), needed)
	}
	return fmt.Errorf("open a port-forward: %w", err)
}

// dial opens a connection to the management port. It ignores the address.
func (t *tunnel) dial(context.Context, string, string) (net.Conn, error) {
	header := http.Header{}
	header.Set(corev1.PortHeader, t.port)
	header.Set(corev1.PortForwardRequestIDHeader, strconv.FormatInt(t.next.Add(1), 10))
	header.Set(corev1.StreamType, corev1.StreamTypeError)
	reasons, err := t.conn.CreateStream(header)
	if err != nil {
		return nil, err
	}
	_ = reasons.Close() // nothing is sent on it
	header.Set(corev1.StreamType, corev1.StreamTypeData)
	data, err := t.conn.CreateStream(header)
	if err != nil {
		return nil, err
	}
	c := &podConn{Stream: data, reason: make(chan string, 1)}
	go func() {
		text, _ := io.ReadAll(io.LimitReader(reasons, 4096))
		c.reason <- string(text)
	}()
	t.last.Store(c)
	return c, nil
}

// refusal returns what the kubelet says about the last connection, or an empty text. Call it once,
// after a request has failed. The HTTP client may notice the end of a connection in several ways,
// with different errors, but the text of the kubelet is always the same.
func (t *tunnel) refusal() string {
	c := t.last.Load()
	if c == nil {
		return ""
	}
	timer := time.NewTimer(reasonTimeout)
	defer timer.Stop()
	select {
	case text := <-c.reason:
		return text
	case <-timer.C:
		return ""
	}
}

// podConn is a connection through a port-forward. It knows no deadlines. The HTTP client closes it
// when the context of a request ends.
type podConn struct {
	httpstream.Stream
	reason chan string // why the kubelet has ended the connection; empty text = no reason
}

// Close implements net.Conn. It also ends a Read that waits.
func (c *podConn) Close() error { return c.Reset() }

func (*podConn) LocalAddr() net.Addr              { return podAddress{} }
func (*podConn) RemoteAddr() net.Addr             { return podAddress{} }
func (*podConn) SetDeadline(time.Time) error      { return nil }
func (*podConn) SetReadDeadline(time.Time) error  { return nil }
func (*podConn) SetWriteDeadline(time.Time) error { return nil }

// podAddress is the address of both ends of a podConn.
type podAddress struct{}

func (podAddress) Network() string { return "port-forward" }
func (podAddress) String() string  { return "pod" }
