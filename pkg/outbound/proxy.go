package outbound

import (
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
)

// maxCredentialsBytes is the largest size of the proxy's credentials file.
const maxCredentialsBytes = 4 << 10

// proxy returns the function that http.Transport calls to choose the proxy of a request. Nil means
// no proxy.
func (c Config) proxy() func(*http.Request) (*url.URL, error) {
	if c.ProxyHost == "" {
		return nil
	}
	address := net.JoinHostPort(strings.Trim(c.ProxyHost, "[]"), strconv.Itoa(c.ProxyPort))
	return func(*http.Request) (*url.URL, error) {
		u := &url.URL{Scheme: "http", Host: address}
		if c.ProxyCredentialsFile == "" {
			return u, nil
		}
		user, password, err := readCredentials(c.ProxyCredentialsFile)
		if err != nil {
			return nil, fmt.Errorf("read proxy credentials: %w", err)
		}
		u.User = url.UserPassword(user, password)
		return u, nil
	}
}

// readCredentials reads user:password from the first line of a file. Its errors contain nothing of
// the file's content.
func readCredentials(file string) (user, password string, err error) {
	f, err := os.Open(file)
	if err != nil {
		return "", "", err
	}
	defer func() { _ = f.Close() }()
	data, err := io.ReadAll(io.LimitReader(f, maxCredentialsBytes))
	if err != nil {
		return "", "", err
	}
	line, _, _ := strings.Cut(string(data), "\n")
	user, password, ok := strings.Cut(strings.TrimSuffix(line, "\r"), ":")
	if !ok || user == "" {
		return "", "", errors.New("the first line is not user:password")
	}
	return user, password, nil
}
