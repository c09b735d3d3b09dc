package main_test

import (
	"bytes"
	"math/rand/v2"
	"net/http"
	"strings"
)

// words are texts that mutations insert at places where they can do harm.
var words = [][]byte{
	[]byte(`null`),
	[]byte(`{}`),
	[]byte(`[]`),
	[]byte(`-1`),
	[]byte(`1e999`),
	[]byte(`99999999999999999999`),
	[]byte(`"`),
	[]byte(`\u0000`),
	[]byte(`\ud800`),
	{0},
	{0xff, 0xfe},
	[]byte(`true`),
	[]byte("\r\n\r\n"),
	[]byte(`{"documents":`),
	[]byte(`%00`),
	[]byte(`../../`),
	[]byte(strings.Repeat("[", 3000)),
	[]byte("endobj"),
	[]byte("/Length "),
	[]byte("stream\n"),
	[]byte("startxref\n0\n%%EOF"),
	[]byte("trailer<</Prev 0>>"),
	[]byte("/Parent 1 0 R"),
	[]byte("1 0 R"),
	[]byte("<<"),
	[]byte("999999999 0 obj"),
}

// mutate changes a few places: it replaces bytes or words, removes, doubles or exchanges parts, or
// cuts off the end.
func mutate(r *rand.Rand, in []byte) []byte {
	out := bytes.Clone(in)
	for range 1 + r.IntN(6) {
		if len(out) == 0 {
			return out
		}
		at := r.IntN(len(out))
		length := 1 + r.IntN(min(64, len(out)-at))
		switch r.IntN(8) {
		case 0:
			out[at] ^= 1 << r.IntN(8)
		case 1:
			out[at] = byte(r.UintN(256))
		case 2:
			out = append(out[:at:at], append(bytes.Clone(words[r.IntN(len(words))]), out[at:]...)...)
		case 3:
			out = append(out[:at:at], out[at+length:]...)
		case 4:
			out = append(out[:at+length:at+length], out[at:]...)
		case 5:
			copy(out[at:], words[r.IntN(len(words))])
		case 6:
			to := r.IntN(len(out))
			n := min(length, len(out)-to)
			copy(out[to:to+n], bytes.Clone(out[at:at+n]))
		case 7:
			if r.IntN(4) == 0 {
				out = out[:at]
			}
		}
	}
	return out
}

// mutateHead changes one part of the request outside of the body, or nothing.
func mutateHead(r *rand.Rand, request *http.Request) {
	switch r.IntN(8) {
	case 0:
		target := safeTarget(mutate(r, []byte(request.URL.RequestURI())))
		request.URL.RawQuery, request.URL.Opaque = "", "//"+request.URL.Host+target
	case 1:
		request.Method = []string{"GET", "PUT", "DELETE", "HEAD", "OPTIONS", "PATCH", "BREW"}[r.IntN(7)]
	case 2:
		request.Header.Set("Content-Type", headerSafe(mutate(r, []byte("multipart/form-data; boundary=x"))))
	case 3:
		request.Header.Set("Authorization", headerSafe(mutate(r, []byte(request.Header.Get("Authorization")))))
	case 4:
		request.Header.Set("Idempotency-Key", headerSafe(mutate(r, []byte("a key"))))
	}
}

// safeTarget reduces a request target to the characters that a client may write there.
func safeTarget(b []byte) string {
	return strings.Map(func(c rune) rune {
		if c <= ' ' || c > '~' || c == '?' && len(b)%2 == 0 {
			return '+'
		}
		return c
	}, string(b))
}

func headerSafe(b []byte) string {
	return strings.Map(func(c rune) rune {
		if c < ' ' || c > '~' {
			return '.'
		}
		return c
	}, string(b))
}
