package clientservice

import (
	"errors"
	"net/url"
)

// MaxCallbackBytes bounds a callback URL.
const MaxCallbackBytes = 2048

// CheckCallback says what is wrong with a URL that is to be told of the end of operations; empty is
// none and fine. Which addresses may be told is decided when they are dialled. Errors complete a
// sentence that begins with the field's name.
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
		return errors.New("is no URL with a host") // err would quote it
	case u.Scheme != "https" && u.Scheme != "http":
		return errors.New("must begin with https:// or http://")
	case u.User != nil:
		return errors.New("must not hold a user or password: they would be stored and logged")
	case u.Fragment != "":
		return errors.New("must not hold a fragment")
	}
	return nil
}
