package bucket

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
)

// newSharedKey authorizes requests with the key of a storage account.
func newSharedKey(account, key string) (func(*http.Request) error, error) {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil || account == "" {
		return nil, errors.New("the credentials file has no AccountName, or its AccountKey is not base64")
	}
	return func(r *http.Request) error {
		setAzureHeaders(r)
		mac := hmac.New(sha256.New, secret)
		mac.Write([]byte(signedText(r, account)))
		r.Header.Set("Authorization", "SharedKey "+account+":"+base64.StdEncoding.EncodeToString(mac.Sum(nil)))
		return nil
	}, nil
}

// signedText returns what the key signs ("Authorize with Shared Key", version 2015-02-21 and
// later).
func signedText(r *http.Request, account string) string {
	length := ""
	if r.ContentLength > 0 {
		length = strconv.FormatInt(r.ContentLength, 10)
	}
	text := []string{r.Method}
	for _, name := range []string{"Content-Encoding", "Content-Language", "Content-Length", "Content-Md5", "Content-Type",
		"Date", "If-Modified-Since", "If-Match", "If-None-Match", "If-Unmodified-Since", "Range"} {
		if name == "Content-Length" {
			text = append(text, length)
			continue
		}
		text = append(text, r.Header.Get(name))
	}
	for _, name := range slices.SortedFunc(maps.Keys(r.Header), func(a, b string) int {
		return strings.Compare(strings.ToLower(a), strings.ToLower(b))
	}) {
		if lower := strings.ToLower(name); strings.HasPrefix(lower, "x-ms-") {
			text = append(text, lower+":"+r.Header.Get(name))
		}
	}
	text = append(text, "/"+account+r.URL.EscapedPath())
	query := r.URL.Query()
	for _, name := range slices.Sorted(maps.Keys(query)) {
		text = append(text, strings.ToLower(name)+":"+strings.Join(query[name], ","))
	}
	return strings.Join(text, "\n")
}
