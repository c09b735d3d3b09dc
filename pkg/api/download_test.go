package api_test

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
)

// downloads are the calls whose answers hold documents.
var downloads = map[string]string{
	"zip":       "operation/sign/detail/1024000/documents",
	"detail":    "operation/sign/detail/1024000/contentInResponse/true",
	"reference": "operation/sign/detail/withExternalReference/big",
}

func getHeader(path, auth string) string {
	return strings.Replace(header(path, auth), "POST", "GET", 1)
}

// TestUnreadDownloadsAreBounded checks that answers which a client does not read take at most half
// of the places. Other clients are served, and the unread answers end.
func TestUnreadDownloadsAreBounded(t *testing.T) {
	for name, path := range downloads {
		t.Run(name, func(t *testing.T) {
			overPipe(t, func(h *harness) { h.cfg.MaxDownloads = 8 }, func(t *testing.T, h *harness, dial func(string) net.Conn) {
				text := signRequest("big", strings.Repeat("%PDF", 100_000))
				for _, auth := range []string{"", basic(bob, bobSecret)} {
					h.do(request{path: "document/sign/base64", text: text, auth: auth}).is(http.StatusOK, nil)
				}
				var unread []net.Conn
				for range 4 {
					unread = append(unread, dial(getHeader(path, basic(alice, aliceSecret))))
				}
				synctest.Wait()
				if got := h.samples()["signstash_api_downloads_in_flight"]; got != 4 {
					t.Errorf("%v downloads are in flight, want 4", got)
				}
				h.do(request{path: path}).fails(http.StatusTooManyRequests,
					"429", "4 answers with documents of this client service are being sent")
				small := h.do(request{path: strings.Replace(path, "contentInResponse/true", "contentInResponse/false", 1)})
				if strings.Contains(path, "contentInResponse") && small.Code != http.StatusOK {
					t.Errorf("detail without content = %d, want 200", small.Code)
				}
				if strings.Contains(path, "withExternalReference") { // bob's own
					h.do0(request{path: path, auth: basic(bob, bobSecret)}).is(http.StatusOK, nil)
				}
				time.Sleep(61 * time.Second)
				if got := h.do0(request{path: path}); got.Code != http.StatusOK {
					t.Errorf("after a minute = %d, want 200: nobody reads the others", got.Code)
				}
				for _, c := range unread {
					if _, err := http.ReadResponse(bufio.NewReader(c), nil); err == nil {
						t.Error("an answer that nobody read is still there")
					}
				}
			})
		})
	}
}

// TestTricklingDownload checks that an answer which is read below the least rate ends, and that one
// which is read slowly above that rate does not.
func TestTricklingDownload(t *testing.T) {
	for name, test := range map[string]struct {
		piece int64 // bytes every 30 s
		whole bool
	}{"trickling": {1000, false}, "slow": {64_000, true}} {
		t.Run(name, func(t *testing.T) {
			overPipe(t, nil, func(t *testing.T, h *harness, dial func(string) net.Conn) {
				h.do(request{path: "document/sign/base64", text: signRequest("big", strings.Repeat("%PDF", 250_000))}).
					is(http.StatusOK, nil)
				c := dial(getHeader(downloads["zip"], basic(alice, aliceSecret)))
				var err error
				read, began := int64(0), time.Now()
				for err == nil && time.Since(began) < 3*time.Hour {
					var n int64
					n, err = io.CopyN(io.Discard, c, test.piece)
					read += n
					if read > 1_000_000 {
						break
					}
					time.Sleep(30 * time.Second)
				}
				if (read > 1_000_000) != test.whole {
					t.Errorf("%d bytes were read in %v, %v, want all: %v", read, time.Since(began), err, test.whole)
				}
				c.Close()
			})
		})
	}
}

// TestSyncAnswerWaitsForItsPlace checks that the answer to a sync request waits for a place while
// others are sent. If no place becomes free, the result is kept and the error says so.
func TestSyncAnswerWaitsForItsPlace(t *testing.T) {
	overPipe(t, func(h *harness) { h.cfg.MaxDownloads = 2 }, func(t *testing.T, h *harness, dial func(string) net.Conn) {
		h.do(request{path: "document/sign/base64", text: signRequest("big", strings.Repeat("%PDF", 100_000))}).
			is(http.StatusOK, nil)
		blocked := dial(getHeader(downloads["zip"], basic(alice, aliceSecret)))
		synctest.Wait()
		sign := func(reference string) request {
			return request{
				path: "document/sign/base64",
				text: strings.Replace(signRequest(reference, "%PDF"), "{", `{"returnSignedContent":true,`, 1),
			}
		}
		h.do(sign("late")).fails(http.StatusServiceUnavailable, "503", "the result is kept")
		h.do(request{path: "operation/status/withExternalReference/late"}).is(http.StatusOK,
			map[string]string{"0.status": "EXECUTED"})
		go func() {
			time.Sleep(5 * time.Second)
			blocked.Close()
		}()
		h.do(sign("in time")).is(http.StatusOK, map[string]string{"status": "EXECUTED"})
	})
}

// TestTwoClientServicesDoNotHoldAllUploads checks that slow bodies of two client services leave
// places for a third one, and lose their own when places run out.
func TestTwoClientServicesDoNotHoldAllUploads(t *testing.T) {
	overPipe(t, func(h *harness) { h.cfg.MaxUploads = 16 }, func(t *testing.T, h *harness, dial func(string) net.Conn) {
		begin := func(auth string) net.Conn {
			c := dial(header("document/sign/base64", auth, "Content-Length: 100000000") + `{"unknown":"`)
			go func() { _, _ = io.Copy(io.Discard, c) }()
			return c
		}
		trickle := func(conns []net.Conn, long time.Duration) (left []net.Conn) {
			for end := time.Now().Add(long); time.Now().Before(end); time.Sleep(30 * time.Second) {
				left = nil
				for _, c := range conns {
					if _, err := io.WriteString(c, strings.Repeat("x", 40_000)); err == nil {
						left = append(left, c)
					}
				}
				conns = left
			}
			return left
		}
		var few []net.Conn
		for range 8 {
			few = append(few, begin(basic(alice, aliceSecret)))
		}
		if left := trickle(few, time.Hour); len(left) != 8 {
			t.Errorf("%d uploads of 8 are left where places are free, want all", len(left))
		}
		h.do(request{path: "document/sign/base64", text: signRequest("b", "%PDF"), auth: basic(bob, bobSecret)}).
			is(http.StatusOK, nil)
		for range 7 {
			few = append(few, begin(basic(bob, bobSecret)))
		}
		if left := trickle(few, 10*time.Minute); len(left) >= 14 {
			t.Errorf("%d uploads of 15 are left where places run out, want fewer", len(left))
		}
		for _, c := range few {
			c.Close()
		}
	})
}

// TestUnreadPagesAreBounded checks that files of the page which nobody reads block other readers
// for at most a minute.
func TestUnreadPagesAreBounded(t *testing.T) {
	const bundle = api.DefaultBasePath + "/swagger-ui/swagger-ui-bundle.js"
	overPipe(t, nil, func(t *testing.T, h *harness, dial func(string) net.Conn) {
		for range 32 {
			dial("GET " + bundle + " HTTP/1.1\r\nHost: x\r\n\r\n")
		}
		synctest.Wait()
		h.do0(request{path: bundle, auth: "none"}).fails(http.StatusTooManyRequests, "429", "files of the page")
		time.Sleep(61 * time.Second)
		h.do0(request{path: bundle, auth: "none"}).is(http.StatusOK, nil)
	})
}
