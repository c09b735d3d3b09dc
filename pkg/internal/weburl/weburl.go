// Package weburl checks the URLs that settings hold.
package weburl

import (
	"errors"
	"net/url"
)

// Check accepts an absolute http or https URL without user name and password. It may have a query.
// The error says what is wanted, and nothing of the text.
func Check(text string) error {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return errors.New("want a URL, such as https://signing.example.org/path")
	case u.User != nil:
		return errors.New("the URL must not hold a user name or password")
	}
	return nil
}
