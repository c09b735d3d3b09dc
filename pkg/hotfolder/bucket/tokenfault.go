package bucket

import (
	"errors"
	"io/fs"

	"golang.org/x/oauth2"
)

// tokenFault describes why there is no token. Errors of the library contain answers, which may
// contain secrets.
func tokenFault(err error) error {
	var refused *oauth2.RetrieveError
	if errors.As(err, &refused) && refused.Response != nil && refused.Response.StatusCode < 500 {
		return &fault{kind: errDenied, detail: "the token service refuses the credentials: " + refused.ErrorCode, cause: err}
	}
	var missing *fs.PathError
	if errors.As(err, &missing) {
		return &fault{kind: errCredentials, detail: missingFile(missing).Error(), cause: err}
	}
	return &fault{kind: errTransient, detail: "the token service does not answer", cause: err}
}
