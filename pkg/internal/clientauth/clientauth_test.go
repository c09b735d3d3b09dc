package clientauth_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"testing"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/clientauth"
)

// endpoint judges an id and a secret as real endpoints do.
type endpoint struct {
	decodes, form bool
	shown         []string
}

const (
	id     = "our id"
	secret = "a+b/c%d e"
)

func (e *endpoint) judge(r *http.Request, values url.Values) clientauth.Outcome {
	user, password, ok := r.BasicAuth()
	e.shown = append(e.shown, password)
	switch {
	case e.form:
		user, password = values.Get("client_id"), values.Get("client_secret")
	case e.decodes && ok:
		u, err1 := url.QueryUnescape(user)
		p, err2 := url.QueryUnescape(password)
		if err1 != nil || err2 != nil {
			return clientauth.Refused
		}
		user, password = u, p
	}
	if user == id && password == secret {
		return clientauth.Accepted
	}
	return clientauth.Refused
}

func (e *endpoint) ask(c *clientauth.Client, id, secret string) (last clientauth.Outcome) {
	c.Try(id, secret, func(w clientauth.Way) clientauth.Outcome {
		r, values := httptest.NewRequest(http.MethodPost, "/token", nil), url.Values{}
		w.AddTo(values, id, secret)
		w.SetHeader(r, id, secret)
		last = e.judge(r, values)
		return last
	})
	return last
}

// TestTry tries endpoints that decode Basic, that do not decode it, and that want a form. Once an
// endpoint has accepted an encoding, only that one is used.
func TestTry(t *testing.T) {
	for name, c := range map[string]struct {
		endpoint      endpoint
		method        clientauth.Method
		first, second []string
	}{
		"decodes":         {endpoint{decodes: true}, "", []string{"a%2Bb%2Fc%25d+e"}, []string{"a%2Bb%2Fc%25d+e"}},
		"does not decode": {endpoint{}, clientauth.Basic, []string{"a%2Bb%2Fc%25d+e", secret}, []string{secret}},
		"form":            {endpoint{form: true}, clientauth.Form, []string{""}, []string{""}},
	} {
		client := &clientauth.Client{Method: c.method}
		for i, want := range [][]string{c.first, c.second} {
			c.endpoint.shown = nil
			if got := c.endpoint.ask(client, id, secret); got != clientauth.Accepted || !slices.Equal(c.endpoint.shown, want) {
				t.Errorf("%s, call %d: outcome %v, shown %q, want %q", name, i+1, got, c.endpoint.shown, want)
			}
		}
	}
}

// TestOneTryIfEncodingsAreEqual checks that a wrong secret is sent only once when encoding does not
// change it, and that a public client sends only its id.
func TestOneTryIfEncodingsAreEqual(t *testing.T) {
	e := &endpoint{}
	if got := e.ask(&clientauth.Client{}, "id", "wrong"); got != clientauth.Refused || len(e.shown) != 1 {
		t.Errorf("outcome %v after %d calls, want one refusal", got, len(e.shown))
	}
	(&clientauth.Client{}).Try("id", "", func(w clientauth.Way) clientauth.Outcome {
		r, values := httptest.NewRequest(http.MethodPost, "/token", nil), url.Values{}
		w.AddTo(values, "id", "")
		w.SetHeader(r, "id", "")
		if values.Encode() != "client_id=id" || r.Header.Get("Authorization") != "" {
			t.Errorf("public client shows %q, %v", values.Encode(), r.Header)
		}
		return clientauth.Accepted
	})
}

// TestUndecidedKeepsBothEncodings checks that the other encoding is not tried when the endpoint did
// not judge the secret, and that the next call tries both encodings.
func TestUndecidedKeepsBothEncodings(t *testing.T) {
	c, calls := &clientauth.Client{}, 0
	c.Try(id, secret, func(clientauth.Way) clientauth.Outcome { calls++; return clientauth.Undecided })
	if calls != 1 {
		t.Errorf("%d calls, want 1", calls)
	}
	if got := (&endpoint{}).ask(c, id, secret); got != clientauth.Accepted {
		t.Errorf("outcome = %v, want the raw form to be tried", got)
	}
}

func TestValidate(t *testing.T) {
	for m, ok := range map[clientauth.Method]bool{"": true, "basic": true, "form": true, "Basic": false, "jwt": false} {
		if err := m.Validate("clientAuth"); (err == nil) != ok {
			t.Errorf("Validate(%q) = %v", m, err)
		}
	}
}
