package api_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/signstash-proxy/signstash-proxy/pkg/api"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// fakeHotFolders records notifications. A body is what it answers.
type fakeHotFolders struct{ got []string }

func (f *fakeHotFolders) Notify(client string, header http.Header, body []byte) (string, error) {
	f.got = append(f.got, client+" "+header.Get("Ce-Subject")+" "+string(body))
	switch {
	case string(body) == "unreadable":
		return "", signing.Errorf(signing.KindMalformed, "the notification is no JSON")
	case client == bob:
		return "", signing.Errorf(api.KindNoHotFolder, "the client service has no hot folder")
	case strings.HasPrefix(string(body), "validate "):
		return strings.TrimPrefix(string(body), "validate "), nil
	}
	return "", nil
}

// notifyToken is what a sender computes.
func notifyToken(secret string) string {
	mac := hmac.New(sha256.New, []byte(secret))
	mac.Write([]byte("hotfolder/notify"))
	return hex.EncodeToString(mac.Sum(nil))
}

// notifyAs is the path of the call with a token in the query.
func notifyAs(client, token string) string {
	return "hotfolder/notify?" + url.Values{"clientService": {client}, "token": {token}}.Encode()
}

func TestNotifyHotFolder(t *testing.T) {
	folders := &fakeHotFolders{}
	h := newHarness(t, func(h *harness) { h.cfg.HotFolders = folders })
	for _, r := range []request{
		{path: "hotfolder/notify", text: "{}", header: map[string]string{"Ce-Subject": "subject"}},
		{path: "hotfolder/notify", method: http.MethodPost},
		{path: notifyAs(alice, notifyToken(aliceSecret)), text: "{}", auth: "none"},
	} {
		if resp := h.do(r); resp.Code != http.StatusNoContent || resp.text != "" {
			t.Errorf("answer = %d %q, want 204", resp.Code, resp.text)
		}
	}
	if got := strings.Join(folders.got, ","); got != alice+" subject {},"+alice+"  ,"+alice+"  {}" {
		t.Errorf("notifications = %q", got)
	}
	h.do(request{path: "hotfolder/notify", text: "validate 512d-\"b6\""}).
		is(http.StatusOK, map[string]string{"validationResponse": `512d-"b6"`})
	h.do(request{path: "hotfolder/notify", text: "unreadable"}).fails(http.StatusBadRequest, "0.0.2", "no JSON")
	h.do(request{path: "hotfolder/notify", text: "{}", auth: basic(bob, bobSecret)}).
		fails(http.StatusNotFound, "404", "has no hot folder")
	n := len(folders.got)
	h.do(request{path: "hotfolder/notify", text: strings.Repeat("x", 1<<20+1)}).
		fails(http.StatusRequestEntityTooLarge, "0.0.4", "larger than 1048576 bytes")
	h.do(request{path: "hotfolder/notify", text: "{}", header: map[string]string{"Content-Encoding": "gzip"}}).
		fails(http.StatusUnsupportedMediaType, "415", "Content-Encoding")
	if len(folders.got) != n {
		t.Error("a notification that was refused was passed on")
	}
}

// TestNotifyToken accepts a notify token for this call and for nothing else, never together with
// other credentials, and slows down guesses.
func TestNotifyToken(t *testing.T) { synctest.Test(t, testNotifyToken) }

func testNotifyToken(t *testing.T) {
	folders := &fakeHotFolders{}
	h := newHarness(t, func(h *harness) {
		h.cfg.HotFolders = folders
		h.cfg.ClientFailures = 1
	})
	token := notifyToken(aliceSecret)
	query := strings.TrimPrefix(notifyAs(alice, token), "hotfolder/notify")
	for _, path := range []string{"operation/status/1", "operation/status/withExternalReference/x"} {
		h.do(request{path: path + query, auth: "none"}).fails(http.StatusUnauthorized, "0.0.10", "Authorization is missing")
	}
	for _, path := range []string{
		"hotfolder/notify", notifyAs(alice, ""), notifyAs(alice, aliceSecret), notifyAs(bob, token),
		notifyAs("nobody", token),
	} {
		if resp := h.do(request{path: path, text: "{}", auth: "none"}); resp.Code != http.StatusUnauthorized {
			t.Errorf("%s = %d, want 401", path, resp.Code)
		}
	}
	h.do(request{path: notifyAs(alice, token), text: "{}", auth: basic(alice, "wrong")}).
		fails(http.StatusUnauthorized, "0.0.10", "wrong")
	if len(folders.got) > 0 {
		t.Errorf("notifications without credentials were passed on: %q", folders.got)
	}
	code := 0
	for i := range 30 { // no time passes
		code = h.do(request{path: notifyAs(alice, notifyToken(fmt.Sprint(i))), text: "{}", auth: "none"}).Code
	}
	if code != http.StatusTooManyRequests {
		t.Errorf("the last guess = %d, want 429", code)
	}
}

// TestNotificationsAllowed answers the question of senders of CloudEvents.
func TestNotificationsAllowed(t *testing.T) {
	h := newHarness(t, func(h *harness) { h.cfg.HotFolders = &fakeHotFolders{} })
	ask := request{method: http.MethodOptions, path: notifyAs(alice, notifyToken(aliceSecret)), auth: "none",
		header: map[string]string{"WebHook-Request-Origin": "eventgrid.azure.net"}}
	resp := h.do(ask)
	if resp.Code != http.StatusOK || resp.Header().Get("WebHook-Allowed-Origin") != "eventgrid.azure.net" ||
		resp.Header().Get("WebHook-Allowed-Rate") != "*" {
		t.Errorf("answer = %d %v", resp.Code, resp.Header())
	}
	ask.header = nil
	h.do(ask).fails(http.StatusBadRequest, "0.0.2", "WebHook-Request-Origin")
	ask.path = "hotfolder/notify"
	h.do(ask).fails(http.StatusUnauthorized, "0.0.10", "Authorization")
}

// TestNoHotFolders answers 404 if hot folders are not enabled, and only to client services.
func TestNoHotFolders(t *testing.T) {
	h := newHarness(t, nil)
	for _, method := range []string{http.MethodPost, http.MethodOptions} {
		h.do(request{method: method, path: "hotfolder/notify"}).fails(http.StatusNotFound, "404", "not enabled")
		h.do(request{method: method, path: "hotfolder/notify", auth: "none"}).fails(http.StatusUnauthorized, "0.0.10", "")
	}
}
