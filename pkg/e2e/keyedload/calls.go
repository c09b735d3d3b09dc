package keyedload

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/internal/pace"
)

const (
	api      = "/signstash/einvoice-integration-client-ws/api/v0/"
	signPath = api + "document/sign/async/base64/"

	// moment is the pause after an attempt without an answer, and between two looks at an operation.
	moment = 100 * time.Millisecond
	// poll is how long the proxy may wait for the end of an operation before it answers.
	poll = 5 * time.Second
	// readTime bounds one call that reads: longer than poll, because an answer may be forwarded.
	readTime = 15 * time.Second
	// answerBytes bounds an answer: a small signed document in base64.
	answerBytes = 16 << 20
	// textBytes bounds the text of a refusal that is kept.
	textBytes = 300
)

// post sends a key until it is accepted, or the client must give up. After an attempt that failed
// it goes to another instance. patience is how long it goes on after the first refusal.
func (l *Load) post(ctx context.Context, name string, s *series, base string, patience time.Duration) {
	body := l.cfg.Body(name)
	giveUp, refused := time.Now().Add(l.cfg.Settle), false
	for ; ; base = l.anywhere(base) {
		a, op := l.try(ctx, name, base, body)
		s.attempts = append(s.attempts, a)
		if op != nil {
			s.accepted = op
			return
		}
		if a.busy() && !refused {
			giveUp, refused = time.Now().Add(patience), true
		}
		wait, again := a.wait()
		if !again || time.Now().Add(wait).After(giveUp) || pace.Pause(ctx, wait) != nil {
			return
		}
	}
}

// try makes one POST. op is nil if it was not accepted.
func (l *Load) try(ctx context.Context, name, base string, body []byte) (a attempt, op *operation) {
	ctx, cancel := context.WithTimeout(ctx, l.cfg.Try)
	defer cancel()
	a.at = time.Now()
	resp, answer, err := l.call(ctx, http.MethodPost, base+signPath, body, name)
	a.took = time.Since(a.at)
	if err != nil {
		return a, nil
	}
	a.status, a.instance = resp.StatusCode, resp.Header.Get("X-Signstash-Instance")
	if seconds, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		a.retryAfter = time.Duration(seconds) * time.Second
	}
	if a.status != http.StatusAccepted {
		a.text = string(answer[:min(len(answer), textBytes)])
		return a, nil
	}
	op = &operation{}
	if err := json.Unmarshal(answer, op); err != nil || op.ID == 0 || op.HostPort == "" {
		a.status, a.text = 0, fmt.Sprintf("unexpected answer: %.100s", answer)
		return a, nil
	}
	return a, op
}

// wait returns how long a careful client waits after this attempt, and whether it tries again.
func (a *attempt) wait() (time.Duration, bool) {
	switch {
	case a.busy():
		return max(a.retryAfter, moment), true
	case a.unanswered():
		return moment, true
	}
	return 0, false
}

// busy reports whether an instance refused for now.
func (a *attempt) busy() bool {
	return a.status == http.StatusServiceUnavailable || a.status == http.StatusTooManyRequests
}

// unanswered reports whether no instance answered. An HTTP proxy answers 502 if its connection to
// the instance was refused or cut.
func (a *attempt) unanswered() bool { return a.status == 0 || a.status == http.StatusBadGateway }

// fetch asks at base, and at the front while base does not answer, until the signed document is
// here.
func (l *Load) fetch(ctx context.Context, name, own string) (delivered bool, problem string) {
	base, reference := own, url.PathEscape(name)
	for giveUp := time.Now().Add(l.cfg.Settle); ; {
		done, problem := l.look(ctx, base, reference)
		if done {
			return problem == "", problem
		}
		if time.Now().After(giveUp) || pace.Pause(ctx, moment) != nil {
			return false, problem
		}
		if base = own; strings.HasPrefix(problem, noAnswer) {
			base = l.cfg.Front
		}
	}
}

const (
	noAnswer = "no answer"
	notFound = "no such operation"
)

// look asks once for the status of an operation, and fetches its document if it has ended. done
// means that it makes no sense to ask again.
func (l *Load) look(ctx context.Context, base, reference string) (done bool, problem string) {
	ctx, cancel := context.WithTimeout(ctx, readTime)
	defer cancel()
	status := fmt.Sprintf("%s%soperation/status/withExternalReference/%s?wait=%s", base, api, reference, poll)
	resp, answer, err := l.call(ctx, http.MethodGet, status, nil, "")
	if err != nil || resp.StatusCode == http.StatusBadGateway {
		return false, noAnswer
	}
	if resp.StatusCode == http.StatusNotFound {
		return true, notFound
	}
	var all []operation
	if resp.StatusCode != http.StatusOK || json.Unmarshal(answer, &all) != nil || len(all) == 0 {
		return false, fmt.Sprintf("status: %d %.200s", resp.StatusCode, answer)
	}
	switch {
	case len(all) > 1:
		return true, fmt.Sprintf("%d operations have the reference", len(all))
	case all[0].Status == "EXECUTION_FAILED":
		return true, "the operation failed"
	case all[0].Status != "EXECUTED":
		return false, "the operation is " + all[0].Status
	}
	detail := base + api + "operation/sign/detail/withExternalReference/" + reference
	resp, answer, err = l.call(ctx, http.MethodGet, detail, nil, "")
	if err != nil || resp.StatusCode == http.StatusBadGateway {
		return false, noAnswer
	}
	if resp.StatusCode != http.StatusOK || !bytes.Contains(answer, []byte(`"signedContent":"`)) {
		return false, fmt.Sprintf("detail: %d %.200s", resp.StatusCode, answer)
	}
	return true, ""
}

// call makes one call and reads the whole answer.
func (l *Load) call(ctx context.Context, method, url string, body []byte, key string) (*http.Response, []byte, error) {
	r, err := http.NewRequestWithContext(ctx, method, url, bytes.NewReader(body))
	if err != nil {
		return nil, nil, err
	}
	l.cfg.Authorize(r)
	if key != "" {
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Idempotency-Key", key)
	}
	resp, err := l.cfg.HTTP.Do(r)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, answerBytes))
	return resp, answer, err
}
