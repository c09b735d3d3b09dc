package main_test

import (
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/hack/signingservice/service"
)

// TestLostStateFolder checks that an instance notices once that another one came back with an empty
// state folder, as after the loss of its volume. A restart with the same folder is not a loss.
func TestLostStateFolder(t *testing.T) {
	t.Parallel()
	f := newFleet(t, newRemoteSide(t, service.Options{}))
	const lost, warning = "signstash_state_folder_lost_total", "another instance has a new state folder"
	id := f.signed(t, 1, "ref")
	asked := func() reply { return f.call(t, 0, http.MethodGet, "operation/status/"+id, "") }
	asked().want(t, "the first run", http.StatusOK, `"id":`+id)

	replace := func(uid string, p *testProxy) {
		t.Helper()
		if err := f.proxies[1].Stop(t.Context()); err != nil {
			t.Fatal(err)
		}
		p.asRun(uid)
		f.proxies[1] = p.start(t)
		address, err := url.Parse(p.URL)
		if err != nil {
			t.Fatal(err)
		}
		f.dir.Endpoints[1].Instance, f.dir.Endpoints[1].Internal = uid, address.Host
		f.publish(t)
		until(t, "its new address is read", func() bool { return asked().status != http.StatusServiceUnavailable })
	}
	replace("uid-1-second", f.proxies[1])
	asked().want(t, "a second run", http.StatusOK, `"id":`+id)
	if n := f.proxies[0].metric(t, lost); n != 0 {
		t.Errorf("%s = %v after a restart, want 0", lost, n)
	}
	replace("uid-1-third", newTestProxy(t, f.proxies[1].o.Args...))
	asked().want(t, "an empty folder", http.StatusNotFound)
	asked().want(t, "an empty folder, again", http.StatusNotFound)
	if n := f.proxies[0].metric(t, lost); n != 1 {
		t.Errorf("%s = %v after the loss of a folder, want 1", lost, n)
	}
	if n := strings.Count(f.proxies[0].log(t), warning); n != 1 {
		t.Errorf("the log has %d warnings, want 1", n)
	}
}
