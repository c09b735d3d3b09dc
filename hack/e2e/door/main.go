// Command door is an HTTP proxy for tests. A client outside of a cluster uses it to reach names
// that exist only inside. Every request gets its own connection, so that a Service in front of
// several pods chooses a pod for each request.
//
//	door --address=0.0.0.0:8888
//
// It forwards every request of every caller. So run it only in a test cluster, and publish its port
// only on loopback.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httputil"
	"os"
	"os/signal"
	"syscall"
	"time"
)

const (
	// dialTimeout is shorter than the time that the tests wait, and longer than a node needs to route
	// to a new pod.
	dialTimeout = 5 * time.Second
	// headerTimeout bounds the time that an idle client may hold a connection.
	headerTimeout = 10 * time.Second
)

func main() {
	address := flag.String("address", "127.0.0.1:8888", "`host:port` to listen on")
	flag.Parse()
	if err := run(*address); err != nil {
		fmt.Fprintln(os.Stderr, "door:", err)
		os.Exit(1)
	}
}

func run(address string) error {
	server := &http.Server{Addr: address, Handler: newDoor(), ReadHeaderTimeout: headerTimeout}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, os.Interrupt)
	go func() {
		<-stop
		_ = server.Close() // the tests are over
	}()
	fmt.Fprintln(os.Stderr, "door: open at", address)
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// newDoor handles plain requests in absolute form and CONNECT.
func newDoor() http.Handler {
	dialer := &net.Dialer{Timeout: dialTimeout}
	plain := &httputil.ReverseProxy{
		Rewrite:   func(r *httputil.ProxyRequest) { r.Out.URL, r.Out.Host = r.In.URL, r.In.Host },
		Transport: &http.Transport{DialContext: dialer.DialContext, DisableKeepAlives: true, DisableCompression: true},
	}
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println(r.Method, r.URL.Host) // log the target, never the content
		switch {
		case r.Method == http.MethodConnect:
			tunnel(w, r, dialer)
		case r.URL.Host == "":
			http.Error(w, "this is a proxy: ask it for another host", http.StatusBadRequest)
		default:
			plain.ServeHTTP(w, r)
		}
	})
}

// tunnel copies bytes both ways until both sides have ended.
func tunnel(w http.ResponseWriter, r *http.Request, dialer *net.Dialer) {
	far, err := dialer.DialContext(r.Context(), "tcp", r.Host)
	if err != nil {
		http.Error(w, "no connection", http.StatusBadGateway)
		return
	}
	defer func() { _ = far.Close() }()
	near, buffered, err := http.NewResponseController(w).Hijack()
	if err != nil {
		http.Error(w, "no tunnel", http.StatusInternalServerError)
		return
	}
	defer func() { _ = near.Close() }()
	if _, err := io.WriteString(near, "HTTP/1.1 200 Connection established\r\n\r\n"); err != nil {
		return
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		_, _ = io.Copy(far, buffered)
		_ = far.(*net.TCPConn).CloseWrite()
	}()
	_, _ = io.Copy(near, far)
	_ = near.Close()
	<-done
}
