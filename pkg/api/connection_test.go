package api_test

import (
	"bufio"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/affinity"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// serve starts a real server on a free port and returns its address.
func (h *harness) serve() *httptest.Server {
	h.t.Helper()
	s := httptest.NewServer(h.api.Handler())
	h.t.Cleanup(s.Close)
	return s
}

// newHTTP2 is serve with TLS and HTTP/2.
func newHTTP2(t *testing.T, h *harness) *httptest.Server {
	t.Helper()
	s := httptest.NewUnstartedServer(h.api.Handler())
	s.EnableHTTP2 = true
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

// dial opens a connection and sends text.
func dial(t *testing.T, s *httptest.Server, text string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", s.Listener.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	return c
}

// header is the header of a POST.
func header(path, auth string, lines ...string) string {
	return "POST " + base + path + " HTTP/1.1\r\nHost: x\r\nAuthorization: " + auth + "\r\n" + strings.Join(
		lines,
		"\r\n",
	) + "\r\n\r\n"
}

func TestClientHangsUpInTheMiddleOfAnUpload(t *testing.T) {
	half := signRequest("half", strings.Repeat("%PDF ", 50_000))[:150_000]
	chunk := fmt.Sprintf("%x\r\n%s\r\n", len(half), half)
	file := part("signRequest", multipartRequest("half", 1)) + part("files", strings.Repeat("%PDF ", 50_000))[:150_000]
	uploads := map[string]string{
		"a length": header("document/sign/base64", basic(alice, aliceSecret), "Content-Length: 1000000") + half,
		"chunks":   header("document/sign/base64", basic(alice, aliceSecret), "Transfer-Encoding: chunked") + chunk,
		"async":    header("document/sign/async/base64", basic(alice, aliceSecret), "Content-Length: 1000000") + half,
		"multipart": header(
			"document/sign",
			basic(alice, aliceSecret),
			"Content-Type: multipart/form-data; boundary=cut",
			"Content-Length: 1000000",
		) + file,
		"before a byte": header("document/sign/base64", basic(alice, aliceSecret), "Content-Length: 1000000"),
	}
	for name, text := range uploads {
		t.Run(name, func(t *testing.T) {
			h := start(t, nil)
			c := dial(t, h.serve(), text)
			c.Close()
			line := h.log.next(`"msg"="request"`)
			for _, want := range []string{`"status"=499`, `"kind"="client-hung-up"`, `"level"=0`} {
				if !strings.Contains(line, want) {
					t.Errorf("log line = %s, want %s in it", line, want)
				}
			}
			h.nothingKept("half")
			if strings.Contains(line, "%PDF") {
				t.Errorf("log line = %s, want no content in it", line)
			}
		})
	}
}

// TestClientClosesItsHalf checks that a client which has closed its sending half gets an error. It
// can still read an answer, and must not take silence for success.
func TestClientClosesItsHalf(t *testing.T) {
	h := start(t, nil)
	c := dial(t, h.serve(),
		header("document/sign/base64", basic(alice, aliceSecret), "Content-Length: 1000000")+signRequest("half", "%PDF"))
	if err := c.(*net.TCPConn).CloseWrite(); err != nil {
		t.Fatal(err)
	}
	resp, err := http.ReadResponse(bufio.NewReader(c), nil)
	if err != nil || resp.StatusCode != http.StatusBadRequest {
		t.Errorf("answer = %v, %v, want 400", resp, err)
	}
	h.nothingKept("half")
}

func TestClientHangsUpInTheMiddleOfADownload(t *testing.T) {
	h := start(t, func(h *harness) { h.store.hollow = true })
	h.do(request{path: "document/sign/async/base64", body: large("big", 1, 26_800_000)}).is(http.StatusAccepted, nil)
	h.wait("1024000")
	h.log.next(`"msg"="request"`)
	s := h.serve()
	for _, path := range []string{
		"operation/sign/detail/withExternalReference/big", "operation/sign/detail/1024000/documents",
	} {
		c := dial(t, s, strings.Replace(header(path, basic(alice, aliceSecret)), "POST", "GET", 1))
		if _, err := io.CopyN(io.Discard, c, 10_000); err != nil {
			t.Fatal(err)
		}
		c.Close()
		h.log.next(`"msg"="request"`, `"status"=499`)
		// The result can still be fetched.
		h.api.Handler().ServeHTTP(&sink{header: http.Header{}}, request{path: path}.build())
		h.log.next(`"msg"="request"`, `"status"=200`)
	}
}

func TestClientHangsUpWhileItWaits(t *testing.T) {
	h := start(t, func(h *harness) { h.provider.hold = make(chan struct{}) })
	ctx, cancel := context.WithCancel(t.Context())
	go func() { <-h.store.created; cancel() }()
	h.api.Handler().ServeHTTP(httptest.NewRecorder(),
		request{path: "document/sign/base64", text: signRequest("waiting", "%PDF")}.build().WithContext(ctx))
	h.log.next(`"status"=499`, `"operation"="1024000"`, `"externalReference"="waiting"`)
	close(h.provider.hold)
	h.wait("1024000")
	h.do(request{path: "operation/status/withExternalReference/waiting"}).is(http.StatusOK,
		map[string]string{"0.status": "EXECUTED"})
}

// TestServerStops checks that a waiting request is answered with the state of its operation when
// the server stops, and that a new request is refused.
func TestServerStops(t *testing.T) {
	h := start(t, func(h *harness) { h.provider.hold = make(chan struct{}) })
	defer close(h.provider.hold)
	ctx, cut := context.WithCancelCause(t.Context())
	go func() {
		<-h.store.created
		cut(signing.Errorf(signing.KindBusy, "the service is stopping").Retryable(5 * time.Second))
	}()
	waiting := httptest.NewRecorder()
	h.api.Handler().ServeHTTP(waiting,
		request{path: "document/sign/base64", text: signRequest("waiting", "%PDF")}.build().WithContext(ctx))
	if waiting.Code != http.StatusOK || !strings.Contains(waiting.Body.String(), "PENDING_EXECUTION") {
		t.Errorf("answer to the accepted request = %d %s, want its state", waiting.Code, waiting.Body)
	}
	refused := httptest.NewRecorder()
	h.api.Handler().ServeHTTP(refused,
		request{path: "document/sign/base64", text: `{"externalReference":"late"`}.build().WithContext(ctx))
	if refused.Code != http.StatusServiceUnavailable || refused.Header().Get("Retry-After") != "5" ||
		!strings.Contains(refused.Body.String(), "is stopping") {
		t.Errorf("answer to the late request = %d %v %s, want 503", refused.Code, refused.Header(), refused.Body)
	}
}

func TestSilentClientIsCutOff(t *testing.T) {
	h := start(t, func(h *harness) { h.cfg.IdleTimeout = 50 * time.Millisecond })
	c := dial(t, h.serve(),
		header("document/sign/base64", basic(alice, aliceSecret), "Content-Length: 1000000")+`{"documents":`)
	h.log.next(`"msg"="request"`, `"status"=499`)
	_, _ = io.Copy(io.Discard, c) // ends: the connection is closed
	h.nothingKept("half")
}

// TestIdleTimeoutDoesNotEndTheWait checks that the read deadline is cleared after the end of the
// body.
func TestIdleTimeoutDoesNotEndTheWait(t *testing.T) {
	h := start(t, func(h *harness) {
		h.cfg.IdleTimeout, h.cfg.SyncWait = time.Second, 2*time.Second // far apart, and far above what reading takes
		h.provider.hold = make(chan struct{})
	})
	defer close(h.provider.hold)
	s := h.serve()
	req, err := http.NewRequest(http.MethodPost, s.URL+base+"document/sign/base64",
		strings.NewReader(signRequest("r", "%PDF")))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth(alice, aliceSecret)
	resp, err := http.DefaultClient.Do(req)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatalf("answer = %v, %v, want 200", resp, err)
	}
	resp.Body.Close()
}

func TestExpectContinue(t *testing.T) {
	h := start(t, nil)
	s := h.serve()
	const expect = "Expect: 100-continue"
	// Refused before a byte of the body is asked for.
	good := basic(alice, aliceSecret)
	for status, head := range map[int]string{
		http.StatusUnauthorized:          header("document/sign/base64", "Basic x", "Content-Length: 100", expect),
		http.StatusRequestEntityTooLarge: header("document/sign/base64", good, "Content-Length: 10000000000", expect),
		http.StatusNotFound:              header("document/none", good, "Content-Length: 100", expect),
	} {
		resp, err := http.ReadResponse(bufio.NewReader(dial(t, s, head)), nil)
		if err != nil || resp.StatusCode != status {
			t.Errorf("first answer = %v, %v, want %d", resp, err, status)
		}
	}
	text := signRequest("r", "%PDF")
	c := dial(t, s,
		header("document/sign/base64", basic(alice, aliceSecret), fmt.Sprintf("Content-Length: %d", len(text)), expect))
	r := bufio.NewReader(c)
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "HTTP/1.1 100 ") {
		t.Fatalf("first answer = %q, %v, want 100 Continue", line, err)
	}
	if _, err := r.ReadString('\n'); err != nil {
		t.Fatal(err)
	}
	if _, err := io.WriteString(c, text); err != nil {
		t.Fatal(err)
	}
	if resp, err := http.ReadResponse(r, nil); err != nil || resp.StatusCode != http.StatusOK {
		t.Errorf("second answer = %v, %v, want 200", resp, err)
	}
}

// TestRefusedClientGetsToReadTheAnswer checks that a client which sends its whole body before it
// reads gets the answer, and not a broken connection.
func TestRefusedClientGetsToReadTheAnswer(t *testing.T) {
	h := start(t, nil)
	s := h.serve()
	body := strings.Repeat("x", 8<<20)
	for auth, status := range map[string]int{
		"Basic x": http.StatusUnauthorized, basic(alice, aliceSecret): http.StatusBadRequest,
	} {
		c := dial(t, s, header("document/sign/base64", auth, fmt.Sprintf("Content-Length: %d", len(body))))
		if _, err := io.WriteString(c, body); err != nil {
			t.Fatalf("send: %v", err)
		}
		resp, err := http.ReadResponse(bufio.NewReader(c), nil)
		if err != nil || resp.StatusCode != status {
			t.Fatalf("answer = %v, %v, want %d", resp, err, status)
		}
	}
}

func TestPanicIsAnInternalFault(t *testing.T) {
	h := start(t, nil)
	h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).is(http.StatusOK, nil)
	asked := 0
	h.cfg.Registerer = nil
	h.cfg.Endpoint = func() affinity.Endpoint {
		if asked++; asked > 1 { // first for the header, then for the body
			panic("out of bounds")
		}
		return affinity.Endpoint{}
	}
	h.api = mustNew(t, h.cfg)
	h.do(request{path: "operation/status/withExternalReference/r"}).fails(http.StatusInternalServerError,
		"0.0.1", "log of the service")
	h.log.next("out of bounds", "stack")
	h.log.next(`"msg"="request"`, `"status"=500`)
}

func TestOneLogLineARequest(t *testing.T) {
	h := start(t, nil)
	h.do(request{path: "document/sign/base64", text: signRequest("FT 1", "%PDF")}).is(http.StatusOK, nil)
	line := h.log.next(`"msg"="request"`)
	for _, want := range []string{
		`"method"="POST"`, `"route"="POST /api/v0/document/sign/base64"`, `"status"=200`,
		`"duration"="`, `"bytesIn"=`, `"bytesOut"=`,
		`"clientService"="` + alice + `"`, `"operation"="1024000"`, `"externalReference"="FT 1"`,
	} {
		if !strings.Contains(line, want) {
			t.Errorf("log line = %s, want %s in it", line, want)
		}
	}
	h.do(request{path: "operation/status/withExternalReference/" + rand.Text()})
	h.do(request{path: "no/such/call"})
	if n := len(h.log.lines); n != 3 {
		t.Errorf("%d log lines for 3 requests", n)
	}
	if line := h.log.next("unmatched"); strings.Contains(line, "no/such") {
		t.Errorf("log line = %s, want no path in it", line)
	}
}

func TestMetrics(t *testing.T) {
	h := start(t, nil)
	h.do(request{path: "document/sign/base64", text: signRequest("r", "%PDF")}).is(http.StatusOK, nil)
	h.do(request{path: "document/sign/base64", text: "x"}).fails(http.StatusBadRequest, "0.0.2", "")
	token(h, "")
	want := map[string]float64{
		"signstash_api_requests_total  POST /api/v0/document/sign/base64 200":             1,
		"signstash_api_requests_total 0.0.2 POST /api/v0/document/sign/base64 400":        1,
		"signstash_api_requests_total  POST /oauth2/authorization-server/oauth/token 200": 1,
		"signstash_api_requests_in_flight":                                                0,
		"signstash_api_uploads_in_flight":                                                 0,
		"signstash_api_tokens_issued_total":                                               1,
		"signstash_api_request_duration_seconds POST /api/v0/document/sign/base64":        2,
	}
	got := h.samples()
	for name, v := range want {
		if got[name] != v {
			t.Errorf("%s = %v, want %v", name, got[name], v)
		}
	}
}

// samples returns counters, gauges and counts of histograms by name and values of labels.
func (h *harness) samples() map[string]float64 {
	h.t.Helper()
	families, err := h.registry.Gather()
	if err != nil {
		h.t.Fatal(err)
	}
	out := map[string]float64{}
	for _, f := range families {
		for _, m := range f.GetMetric() {
			name := f.GetName()
			for _, l := range m.GetLabel() {
				name += " " + l.GetValue()
			}
			out[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() + float64(m.GetHistogram().GetSampleCount())
		}
	}
	return out
}
