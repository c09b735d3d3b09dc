package main_test

import (
	"encoding/base64"
	"io"
	"net"
	"strings"
	"testing"
	"time"
)

// TestHalfOpen opens a thousand incomplete connections and checks that requests of others are still
// answered. The kinds are: connections that send nothing, half a head, a body without an end from
// an unknown caller, one from a client service with limited slots, and one that the answer does not
// need. Connections of the last kind are closed.
func TestHalfOpen(t *testing.T) {
	t.Parallel()
	h := newHostile(t)
	address := strings.TrimPrefix(h.p.URL, "http://")
	bob := "Basic " + base64.StdEncoding.EncodeToString([]byte("PRT.1-PRT.2-bob:"+clients["PRT.1-PRT.2-bob"]))
	post := "POST " + apiPath + "document/sign/base64/ HTTP/1.1\r\nHost: proxy\r\n"
	const half = "Content-Length: 100000\r\nContent-Type: application/json\r\n\r\n{\"externalReference\":"
	page := "GET " + strings.Replace(apiPath, "api/v0/", "swagger-ui.html", 1) + " HTTP/1.1\r\nHost: proxy\r\n"
	beginnings := []string{
		"",
		post + "X-",
		post + half,
		post + "Authorization: " + bob + "\r\n" + half,
	}
	held := len(beginnings)
	beginnings = append(beginnings, page+"Content-Length: 1\r\n\r\n")
	const connections = 1000
	var ends []net.Conn
	for i := range connections {
		c, err := net.DialTimeout("tcp", address, 10*time.Second)
		if err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		defer c.Close()
		if _, err := io.WriteString(c, beginnings[i%len(beginnings)]); err != nil {
			t.Fatalf("connection %d: %v", i, err)
		}
		if i%len(beginnings) == held {
			ends = append(ends, c)
		}
	}
	h.finish()
	for _, c := range ends {
		_ = c.SetReadDeadline(time.Now().Add(time.Minute)) // expires only if the test fails
		if answer, err := io.ReadAll(c); err != nil || len(answer) == 0 {
			t.Fatalf("a connection whose body never comes: %d bytes, %v, want an answer and its end", len(answer), err)
		}
	}
}
