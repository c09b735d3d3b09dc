package cades

import (
	"context"
	"crypto"

	"github.com/signstash-proxy/signstash-proxy/pkg/signing"
)

// errCosign says that co-signing is not possible.
func errCosign() error {
	return signing.Errorf(signing.KindUnsupported, "existing COSIGN is not supported yet")
}

func cosignDigest(context.Context, signing.Sized, crypto.Hash) ([]byte, error) {
	return nil, errCosign()
}

func (a *assembly) startCosigning(context.Context) error { return errCosign() }

func (a *assembly) finishCosigning([]byte, []byte) ([]byte, signing.Pieces, error) {
	return nil, nil, errCosign()
}

func (a *assembly) checkCosigned(*message, signing.Pieces) error { return errCosign() }
