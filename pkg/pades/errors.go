package pades

import (
	"fmt"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// internal returns an error that is the fault of this program.
func internal(doing string, err error) error {
	return &signing.Error{Err: fmt.Errorf("%s: %w", doing, err)}
}

func damaged(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindDamaged, "PDF is damaged: "+format, args...)
}

func forbidden(format string, args ...any) *signing.Error {
	return signing.Errorf(signing.KindForbidden, "PDF must not be changed: "+format, args...)
}
