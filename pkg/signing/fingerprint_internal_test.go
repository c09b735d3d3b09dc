package signing

import (
	"encoding/hex"
	"testing"
)

// TestFingerprint holds the fingerprint of a request with every field. The value must never change,
// because a request that is repeated after an upgrade is compared with the fingerprint that an
// earlier release stored; a difference is answered with KindKeyReused.
func TestFingerprint(t *testing.T) {
	image := &Content{File: "image", Size: 7, SHA256: [32]byte{1}}
	sub := Submission{
		Request: Request{
			ExternalReference: "invoice-1",
			Description:       "November",
			ReturnContent:     true,
			Preservation:      `{"years":10}`,
			Callback:          "https://erp.example/signed",
			Documents: []DocumentRequest{{
				ExternalReference: "document-1",
				Name:              "invoice.pdf",
				ContentType:       "application/pdf",
				Signature: SignatureInfo{
					Type: PAdES, Level: LevelT, Reason: "approved", Location: "Lisbon",
					Visible: &VisibleSignature{
						LocationType: "COORDINATE", LocationValue: "1,10,10", Area: "100,50", AreaBackgroundColor: "#ffffff",
						Font: "Helvetica", TemplateType: "ONE_OFF", OneOffTemplate: "$name", ImageType: "IMAGE_PNG", Image: image,
					},
					Advanced: &AdvancedSignature{
						SignatureLocation: "Info", SignatureTransform: "XPATH", CanonicalTransform: "EXCLUSIVE",
					},
				},
			}},
		},
		Contents: []Content{{File: "0", Size: 5, SHA256: [32]byte{2}}},
	}
	const want = "1b726a8376ef8593c635a57d5f2449c4600907b5bc4ad8472e7b1e86c80f7bfd"
	if got := fingerprint(sub); hex.EncodeToString(got[:]) != want {
		t.Errorf("fingerprint = %x, want %s", got, want)
	}
	sub.Contents[0].File, image.File = "other", "other"
	if got := fingerprint(sub); hex.EncodeToString(got[:]) != want {
		t.Errorf("fingerprint with other file names = %x, want %s", got, want)
	}
}

// TestFingerprintOfOptions checks that each option of a signature is a part of the fingerprint. The
// values must never change either.
func TestFingerprintOfOptions(t *testing.T) {
	for want, info := range map[string]SignatureInfo{
		"b9bffa46c5100fdbe4672d1ef2a28ae7c402ea43210f51c41da93a4bf3541f9b": {Type: CAdES},
		"b3c5a0bc05e851011fcd37aa02e1a6ba6a09fc6147a8ec72a39ae66b7cf01341": {Type: CAdES, Packaging: Detached},
		"08a48c868f785ff34c79c0f75125bdc627f88301e89ba8ee2cd871935368f1f5": {Type: CAdES, Existing: Cosign},
		"ad15634f7b5bbfefdb0909272409ca198d5304945c097e91b6874566bd7e93bd": {Type: XAdES},
		"ae9ace272316a8f33b8f23f7b484e82d6b664140c3e3458a921e4248a8932e0c": {Type: XAdES, Profile: "facturae"},
	} {
		got := fingerprint(Submission{
			Request:  Request{Documents: []DocumentRequest{{Signature: info}}},
			Contents: []Content{{SHA256: [32]byte{2}}},
		})
		if hex.EncodeToString(got[:]) != want {
			t.Errorf("fingerprint of %+v = %x, want %s", info, got, want)
		}
	}
}
