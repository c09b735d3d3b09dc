package safe

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"time"

	"github.com/go-logr/logr"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/secretfile"
	"github.com/signstash-proxy/signstash-proxy/pkg/outbound"
	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

const (
	// callTimeout bounds each call. SAFE answers at once and does its work later.
	callTimeout = 30 * time.Second
	// maxAnswer is the largest answer in bytes. A chain in double base64 takes about 20 KB, ten values
	// take 4 KB.
	maxAnswer = 256 << 10
)

// call is one request to SAFE.
type call struct {
	path  string
	body  *request // nil = GET
	signs bool
}

// client calls SAFE for one account. It is safe for concurrent use.
type client struct {
	name    string // of the credential
	set     Settings
	http    *http.Client
	log     logr.Logger
	account *account
}

// do makes a call with a token in SAFEAuthorization. If there is no failure, the status is 200 or
// 204.
func (c *client) do(ctx context.Context, in call, token string) (a answer, status int, f *failure) {
	ctx, cancel := context.WithTimeout(ctx, callTimeout)
	defer cancel()
	r, f := c.newRequest(ctx, in, token)
	if f != nil {
		return a, 0, f
	}
	got, err := outbound.Exchange(c.http, r, maxAnswer)
	switch {
	case err != nil:
		return a, 0, lost(err, in.signs)
	case got.Status >= 300:
		return a, got.Status, refusal(got, in.signs)
	case got.Status == http.StatusNoContent || len(bytes.TrimSpace(got.Body)) == 0:
		return a, got.Status, nil
	}
	if err := json.Unmarshal(got.Body, &a); err != nil && !in.signs { // only the status of signHash's answer matters
		return a, got.Status, unreadable(fmt.Errorf("read answer of %s: not JSON of the expected form", in.path))
	}
	return a, got.Status, nil
}

func (c *client) newRequest(ctx context.Context, in call, token string) (*http.Request, *failure) {
	password, err := secretfile.Read(c.set.PasswordFile)
	if err != nil {
		return nil, fail(signing.KindConfiguration, "passwordFile: cannot be read").Because(err)
	}
	method, body := http.MethodGet, []byte(nil)
	if in.body != nil {
		method = http.MethodPost
		if body, err = json.Marshal(in.body); err != nil {
			return nil, fail(signing.KindInternal, "").Because(err)
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, c.set.URL+in.path, bytes.NewReader(body))
	if err != nil {
		return nil, fail(signing.KindConfiguration, "url: cannot be used").Because(err)
	}
	r.SetBasicAuth(c.set.Username, password)
	r.Header.Set("SAFEAuthorization", "Bearer "+token)
	r.Header.Set("Accept", "application/json")
	if in.body != nil {
		r.Header.Set("Content-Type", "application/json")
	}
	return r, nil
}

// maxTries is how often a call is made when its token has expired: with the current token, with one
// that the account's owner or another process has stored since, and with one that SAFE has just
// issued.
const maxTries = 3

// authorized is do with the account's access token. If the token has expired, it renews the token
// and repeats the call. It does not repeat the call that signs, because the caller must count each
// signHash that is sent.
func (c *client) authorized(ctx context.Context, in call) (answer, int, *failure) {
	for try := 1; ; try++ {
		token, f := c.account.access(ctx)
		if f != nil {
			return answer{}, 0, f
		}
		a, status, f := c.do(ctx, in, token)
		if f == nil || f.Hint != renewToken || try == maxTries {
			return a, status, f
		}
		if renewal := c.account.renew(ctx, token, c.update); renewal != nil {
			if in.signs {
				renewal.Unknown = f.Unknown
			}
			return answer{}, 0, renewal
		}
		if in.signs {
			f.Because(fmt.Errorf("%w: %w", signing.ErrRenewed, f.Err))
			return a, status, f
		}
	}
}

// update asks SAFE for new tokens. The refresh token is sent in place of the access token.
func (c *client) update(ctx context.Context, refresh string) (pair, *failure) {
	id := c.set.CredentialID
	if id == "" {
		id = c.account.credential()
	}
	if id == "" {
		return pair{}, fail(signing.KindConfiguration,
			"credentialID: is needed, because the token of the SAFE account expired before its first use")
	}
	a, _, f := c.do(ctx, call{path: "/signatureAccount/updateToken", body: c.body(id)}, refresh)
	switch {
	case f != nil:
		return pair{}, f
	case a.NewAccessToken == "" || a.NewRefreshToken == "":
		return pair{}, unreadable(fmt.Errorf("answer of updateToken has no tokens"))
	}
	c.log.Info("renewed the tokens of the account", "credential", c.name)
	return pair{Access: a.NewAccessToken, Refresh: a.NewRefreshToken}, nil
}

// body returns a request with its own processId.
func (c *client) body(credentialID string) *request {
	return &request{
		CredentialID: credentialID,
		ClientData:   clientData{ProcessID: newProcessID(), ClientName: c.set.ClientName},
	}
}

// verify returns the call that fetches the result of an earlier call.
func verify(path, processID string) call {
	return call{path: path + "?processId=" + url.QueryEscape(processID)}
}
