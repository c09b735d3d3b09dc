package keyedload

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"
)

// fleet answers as the instances of a proxy do, without a network. faulty returns an answer that
// replaces the right one, or nil.
type fleet struct {
	mu     sync.Mutex
	ids    map[string]int // of the operations, by reference
	faulty func(r *http.Request, reference string) (*http.Response, error)
	posts  map[string][]string // hosts that got the POSTs of a key, in order
	front  string              // base URL; empty = http://front
}

func (f *fleet) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	reference := r.Header.Get("Idempotency-Key")
	if reference == "" {
		path, _ := url.PathUnescape(r.URL.EscapedPath())
		reference = path[strings.LastIndex(path, "/")+1:]
	} else {
		f.posts[reference] = append(f.posts[reference], r.URL.Hostname())
	}
	if answer, err := f.faulty(r, reference); answer != nil || err != nil {
		return answer, err
	}
	id, known := f.ids[reference]
	switch {
	case r.Method == http.MethodPost:
		if !known {
			id = len(f.ids) + 1
			f.ids[reference] = id
		}
		return reply(http.StatusAccepted, fmt.Sprintf(`{"id":%d,"hostPort":"b:80"}`, id)), nil
	case !known:
		return reply(http.StatusNotFound, ""), nil
	case strings.Contains(r.URL.Path, "/status/"):
		return reply(http.StatusOK, fmt.Sprintf(`[{"id":%d,"status":"EXECUTED"}]`, id)), nil
	}
	return reply(http.StatusOK, `{"documentList":[{"signedContent":"JVBERg=="}]}`), nil
}

func reply(status int, body string, header ...string) *http.Response {
	w := httptest.NewRecorder()
	for i := 0; i < len(header); i += 2 {
		w.Header().Set(header[i], header[i+1])
	}
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
	return w.Result()
}

// run sends a key a second for the given time, and returns the judgement.
func (f *fleet) run(t *testing.T, long time.Duration) Report {
	t.Helper()
	f.ids, f.posts = map[string]int{}, map[string][]string{}
	if f.faulty == nil {
		f.faulty = func(*http.Request, string) (*http.Response, error) { return nil, nil }
	}
	load := Start(t.Context(), Config{
		HTTP: &http.Client{Transport: f}, Front: cmp.Or(f.front, "http://front"), Prefix: "key",
		Instances: func() []string { return []string{"http://a", "http://b", "http://c"} },
		Authorize: func(r *http.Request) { r.SetBasicAuth("client", "secret") },
		Body:      func(string) []byte { return []byte("{}") },
		Every:     time.Second, Try: 2 * time.Second, Patience: 4 * time.Second, Settle: time.Minute,
	})
	time.Sleep(long)
	return load.Stop(t.Context())
}

// TestHealthyFleet refuses nothing, and sends some keys more than once.
func TestHealthyFleet(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		r := f.run(t, 21500*time.Millisecond)
		if r.Keys != 22 || r.Accepted != 22 || r.Delivered != 22 || r.Repeats != 3+7 {
			t.Errorf("%v; want 22 keys delivered and 10 repetitions", &r)
		}
		if len(r.Busy)+len(r.Refused)+len(r.Unanswered)+len(r.Wrong)+len(r.Lost)+len(r.Doubled)+r.RepeatsBusy > 0 {
			t.Errorf("%+v; want no fault", r)
		}
	})
}

// TestFollowsScheme fetches results with the scheme of the front.
func TestFollowsScheme(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{front: "https://front"}
		f.faulty = func(r *http.Request, _ string) (*http.Response, error) {
			if r.Method == http.MethodGet && r.URL.Scheme != "https" {
				t.Errorf("the result was fetched from %s", r.URL)
			}
			return nil, nil
		}
		if r := f.run(t, 5500*time.Millisecond); r.Delivered != 6 {
			t.Errorf("%v; want 6 keys delivered", &r)
		}
	})
}

// TestRefusals waits as Retry-After says, goes to another instance, and gives up after Patience.
func TestRefusals(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, started := &fleet{}, time.Now()
		f.faulty = func(r *http.Request, reference string) (*http.Response, error) {
			if r.Method != http.MethodPost {
				return nil, nil
			}
			switch reference {
			case "key-1": // until two seconds after it was sent
				if time.Since(started) < 3*time.Second {
					return reply(http.StatusServiceUnavailable, "one", "Retry-After", "2", "X-Signstash-Instance", "a"), nil
				}
			case "key-3": // for ever
				return reply(http.StatusServiceUnavailable, "three", "Retry-After", "1"), nil
			}
			return nil, nil
		}
		r := f.run(t, 4500*time.Millisecond)
		if r.Keys != 5 || r.Accepted != 4 || len(r.Lost) > 0 {
			t.Errorf("%v; want 4 of 5 keys accepted, none lost", &r)
		}
		if len(r.Refused) != 1 || r.Refused[0].Key != "key-3" {
			t.Errorf("refused are %+v, want key-3", r.Refused)
		}
		if len(r.Busy) != 2 || r.Busy[0].Key != "key-1" || r.Busy[0].Instance != "a" || r.Busy[0].Cut {
			t.Errorf("busy are %+v, want key-1 and key-3", r.Busy)
		}
		if keys, busy := r.Between(started, started.Add(2500*time.Millisecond)); len(keys) != 3 || busy != 1 {
			t.Errorf("in the first seconds %v were sent and %d refused, want 3 and key-1", keys, busy)
		}
		if r.Wait(1) != 2*time.Second || r.Wait(0.5) != 0 {
			t.Errorf("the longest wait is %v, the median %v; want 2 s and 0", r.Wait(1), r.Wait(0.5))
		}
		if got := len(f.posts["key-3"]); got != 5 {
			t.Errorf("key-3 was sent %d times, want at once and after each of 4 seconds", got)
		}
		for i, host := range f.posts["key-3"] {
			if i == 0 && host != "front" || i > 0 && host == f.posts["key-3"][i-1] {
				t.Errorf("key-3 went to %v, want the front first and never twice the same", f.posts["key-3"])
				break
			}
		}
	})
}

// TestTwins waits for the owner of a key that was sent to two instances at the same time, because a
// refusal of one of them does not mean that the key was refused.
func TestTwins(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f, started := &fleet{}, time.Now()
		f.faulty = func(r *http.Request, reference string) (*http.Response, error) {
			// Only the one that was not sent to the front is accepted, and its owner is missing at once.
			accepted := r.URL.Hostname() != "front" && !slices.ContainsFunc(f.posts[reference][:len(f.posts[reference])-1],
				func(host string) bool { return host != "front" })
			if r.Method == http.MethodPost && reference == "key-6" && !accepted && time.Since(started) < 20*time.Second {
				return reply(http.StatusServiceUnavailable, "", "Retry-After", "1"), nil
			}
			return nil, nil
		}
		r := f.run(t, 6500*time.Millisecond)
		if r.Keys != 7 || r.Accepted != 7 || len(r.Refused)+len(r.Busy) > 0 || r.RepeatsRefused > 0 {
			t.Errorf("%v; want 7 keys accepted, none refused", &r)
		}
	})
}

// TestLostAnswers repeats a key that nobody answered. The operation of a key whose client was told
// nothing counts as delivered, and a refusal after it is marked.
func TestLostAnswers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		f.faulty = func(r *http.Request, reference string) (*http.Response, error) {
			if r.Method != http.MethodPost {
				return nil, nil
			}
			switch reference {
			case "key-0":
				if len(f.posts[reference]) == 1 {
					return nil, errors.New("connection reset")
				}
			case "key-1": // made without an answer, then refused
				if f.ids[reference] = 1000; len(f.posts[reference]) == 1 {
					return reply(http.StatusBadGateway, ""), nil
				}
				return reply(http.StatusServiceUnavailable, "", "Retry-After", "1"), nil
			case "key-3":
				return reply(http.StatusBadGateway, ""), nil
			}
			return nil, nil
		}
		r := f.run(t, 3500*time.Millisecond)
		if r.Keys != 4 || r.Accepted != 2 || r.Delivered != 3 || len(r.Lost) > 0 {
			t.Errorf("%v; want 4 keys, 2 accepted, 3 delivered", &r)
		}
		if len(r.Refused) != 1 || !r.Refused[0].Cut {
			t.Errorf("refused are %+v, want key-1 after a lost answer", r.Refused)
		}
		if len(r.Unanswered) != 1 || r.Unanswered[0] != "key-3" {
			t.Errorf("unanswered are %v, want key-3", r.Unanswered)
		}
	})
}

// TestFaults finds operations that are lost or doubled, and wrong answers.
func TestFaults(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fleet{}
		f.faulty = func(r *http.Request, reference string) (*http.Response, error) {
			switch {
			case reference == "key-0" && r.Method == http.MethodGet:
				return reply(http.StatusNotFound, ""), nil
			case reference == "key-1" && r.Method == http.MethodPost:
				return reply(http.StatusConflict, "conflict"), nil
			case reference == "key-2" && r.Method == http.MethodPost && len(f.posts[reference]) > 1: // its repetition
				return reply(http.StatusAccepted, `{"id":2000,"hostPort":"c:80"}`), nil
			case reference == "key-3" && strings.Contains(r.URL.Path, "/status/"):
				return reply(http.StatusOK, `[{"status":"EXECUTION_FAILED"}]`), nil
			}
			return nil, nil
		}
		r := f.run(t, 3500*time.Millisecond)
		if len(r.Lost) != 2 || len(r.Doubled) != 1 || len(r.Wrong) != 1 || r.Delivered != 1 {
			t.Errorf("%v; lost %v, doubled %v, wrong %v; want key-0 and key-3 lost, key-2 doubled, key-1 wrong", &r,
				r.Lost, r.Doubled, r.Wrong)
		}
	})
}
