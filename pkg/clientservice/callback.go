package clientservice

import (
	"errors"
	"net/url"
)

// MaxCallbackBytes bounds a callback URL.
const MaxCallbackBytes = 2048

// CheckCallback returns an error if text cannot be used as a callback URL. Empty text means no
// callback and is valid. CheckCallback does not decide which addresses may be called, because that
// is decided at each connection. The errors complete a sentence that begins with the name of the
// field.
func CheckCallback(text string) error {
	if text == "" {
		return nil
	}
	if len(text) > MaxCallbackBytes {
		return errors.New("is longer than 2048 bytes")
	}
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Opaque != "" || u.Hostname() == "":
		return errors.New("is not a URL with a host") // err would quote it
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https:// or http://")
	case u.User != nil:
		return errors.New("must not hold a user or password: they would be stored and logged")
	case u.Fragment != "":
		return errors.New("must not hold a fragment")
	}
	return nil
}
