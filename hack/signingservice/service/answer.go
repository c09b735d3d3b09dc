package service

import (
	"crypto/rand"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// answer is the answer of an endpoint.
type answer struct {
	status int
	header map[string]string
	body   any // nil = no body
}

func write(w http.ResponseWriter, a answer) {
	for k, v := range a.header {
		w.Header().Set(k, v)
	}
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	writeJSON(w, a.status, a.body)
}

// refuse returns an error with status 400 in the CSC's form.
func refuse(code, description string) answer {
	return answer{status: http.StatusBadRequest, body: object{{"error", code}, {"error_description", description}}}
}

// field and object keep their fields in an order that differs from the standards' examples.
type field struct {
	name  string
	value any
}

type object []field

// MarshalJSON implements json.Marshaler.
func (o object) MarshalJSON() ([]byte, error) {
	var b strings.Builder
	b.WriteByte('{')
	for i, f := range o {
		if i > 0 {
			b.WriteByte(',')
		}
		value, err := json.Marshal(f.value)
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&b, "%q:%s", f.name, value)
	}
	b.WriteByte('}')
	return []byte(b.String()), nil
}

// raw is a body that is sent as it is.
type raw string

func encode(body any) []byte {
	if text, ok := body.(raw); ok {
		return []byte(text)
	}
	text, err := json.MarshalIndent(body, "", "  ") // white space, because no client may rely on its absence
	if err != nil {
		panic(err) // every body consists of strings, numbers and lists
	}
	return text
}

func writeJSON(w http.ResponseWriter, status int, body any) {
	if w.Header().Get("Content-Type") == "" {
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
	}
	w.WriteHeader(status)
	_, _ = w.Write(encode(body))
}

func readAll(r *http.Request) ([]byte, error) {
	body := http.MaxBytesReader(nil, r.Body, maxBody)
	defer func() { _ = body.Close() }()
	return io.ReadAll(body)
}

// random returns an unguessable value, made of n bytes and encoded.
func random(n int) string {
	b := make([]byte, n)
	_, _ = rand.Read(b) // never fails (crypto/rand)
	return base64.RawURLEncoding.EncodeToString(b)
}

func unbase64(text string) ([]byte, error) { return base64.StdEncoding.DecodeString(text) }
