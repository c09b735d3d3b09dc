package api

import (
	"net/url"
	"strconv"
	"time"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// LongestPoll bounds the wait of a status call. It is below the 60 s after which load balancers
// usually close a silent connection.
const LongestPoll = 50 * time.Second

// pollTime reads ?wait= of a status call: how long the answer may wait for the end of the
// operation. It is at most LongestPoll. The error is KindInvalid.
func pollTime(query url.Values) (time.Duration, error) {
	text := query.Get("wait")
	if text == "" {
		return 0, nil
	}
	if n, err := strconv.ParseUint(text, 10, 32); err == nil {
		text = strconv.FormatUint(n, 10) + "s"
	}
	d, err := time.ParseDuration(text)
	if err != nil || d < 0 {
		return 0, signing.Errorf(signing.KindInvalid, "wait must be a time such as 30s, or a number of seconds")
	}
	return min(d, LongestPoll), nil
}

// poll returns the operation when it has ended, or in its current state when the time in ?wait= is
// over or too many calls wait.
func (x *exchange) poll(op signing.Operation) (signing.Operation, error) {
	d, err := pollTime(x.r.URL.Query())
	if err != nil || d == 0 {
		return op, err
	}
	if !x.api.polls.Take(x.client.ID, 1) {
		return op, nil
	}
	defer x.api.polls.Give(x.client.ID, 1)
	return x.wait(op, d)
}
