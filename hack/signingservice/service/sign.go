package service

import (
	"encoding/base64"
	"encoding/json"
	"net/http"
	"strings"
)

// signRequest is a signatures/signHash request of either version.
type signRequest struct {
	CredentialID   string   `json:"credentialID"`
	SAD            string   `json:"SAD"`
	Hash           []string `json:"hash"`     // v1
	HashAlgo       string   `json:"hashAlgo"` // v1
	Hashes         []string `json:"hashes"`   // v2
	HashAlgorithm  string   `json:"hashAlgorithmOID"`
	SignAlgo       string   `json:"signAlgo"`
	SignAlgoParams string   `json:"signAlgoParams"`
	OperationMode  string   `json:"operationMode"`
}

func (s *Service) serveSignHash(x *exchange) answer {
	token, refusal := s.bearer(x)
	if refusal != nil {
		return *refusal
	}
	var req signRequest
	if err := json.Unmarshal(x.body, &req); err != nil {
		return refuse("invalid_request", "Malformed request")
	}
	version1 := strings.HasPrefix(x.URL.Path, "/csc/v1/")
	if version1 {
		req.Hashes, req.HashAlgorithm, req.OperationMode = req.Hash, req.HashAlgo, ""
	}
	c := s.find(req.CredentialID)
	if c == nil {
		return refuse("invalid_request", "Invalid parameter credentialID")
	}
	if s.opts.OperationModeNeeded && !version1 && req.OperationMode == "" {
		return refuse("invalid_request", "Missing (or invalid type) string parameter operationMode")
	}
	if req.OperationMode == "A" && !s.opts.Asynchronous ||
		req.OperationMode != "" && req.OperationMode != "A" && req.OperationMode != "S" {
		return refuse("invalid_request", "Invalid parameter operationMode")
	}
	a, digests, refusal := c.readHashes(req)
	if refusal != nil {
		return *refusal
	}
	if refusal := s.useSAD(x, req.SAD, c, digests); refusal != nil {
		return *refusal
	}
	values, err := s.makeValues(x, c, a, digests)
	if err != nil {
		return answer{status: http.StatusInternalServerError, body: object{{"error", "server_error"}}}
	}
	if req.OperationMode == "A" {
		return s.keepAnswer(token.client, values)
	}
	return answer{status: http.StatusOK, body: object{{"signatures", values}}}
}

// readHashes decodes and checks what is to be signed.
func (c *credential) readHashes(req signRequest) (a algorithm, digests [][]byte, refusal *answer) {
	no := func(text string) (algorithm, [][]byte, *answer) {
		r := refuse("invalid_request", text)
		return a, nil, &r
	}
	a, wrong := c.choose(req.SignAlgo, req.HashAlgorithm, req.SignAlgoParams)
	if wrong != "" {
		return no(wrong)
	}
	if len(req.Hashes) == 0 {
		return no("Empty hash array")
	}
	for _, h := range req.Hashes {
		digest, err := unbase64(h)
		if err != nil {
			return no("Invalid Base64 hash string parameter")
		}
		if len(digest) != a.hash.Size() {
			return no("Invalid digest value length")
		}
		digests = append(digests, digest)
	}
	return a, digests, nil
}

// makeValues signs, counts, and encodes the values as rudely as asked for.
func (s *Service) makeValues(x *exchange, c *credential, a algorithm, digests [][]byte) ([]string, error) {
	s.gate.pass(s.closed)
	values := make([]string, 0, len(digests)+1)
	for _, digest := range digests {
		value, err := c.sign(a, digest, x.rude == RawECDSA)
		if x.rude == WrongKey {
			value, err = c.signByStranger(a, digest)
		}
		if err != nil {
			return nil, err
		}
		values = append(values, base64.StdEncoding.EncodeToString(value))
	}
	s.counts.signatures(c.ID, len(digests))
	switch x.rude {
	case WrongOrder:
		values = append(values[1:], values[0])
	case TooFewValues:
		values = values[:len(values)-1]
	case TooManyValues:
		values = append(values, values[0])
	case BadBase64:
		values[0] = "%%%" + values[0]
	}
	return values, nil
}

// asyncAnswer is an answer that waits to be fetched.
type asyncAnswer struct {
	client  string
	values  []string
	pending int
}

func (s *Service) keepAnswer(client string, values []string) answer {
	id := random(18)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.async[id] = &asyncAnswer{client: client, values: values, pending: s.opts.PendingPolls}
	return answer{status: http.StatusOK, body: object{{"responseID", id}}}
}

func (s *Service) servePolling(x *exchange) answer {
	token, refusal := s.bearer(x)
	if refusal != nil {
		return *refusal
	}
	var req struct {
		RequestID string `json:"requestID"`
	}
	_ = json.Unmarshal(x.body, &req)
	s.mu.Lock()
	defer s.mu.Unlock()
	kept := s.async[req.RequestID]
	if kept == nil || kept.client != token.client {
		return refuse("invalid_request", "Invalid parameter requestID")
	}
	if kept.pending > 0 {
		kept.pending--
		return answer{status: http.StatusAccepted, body: object{
			{"error", "accepted_request"},
			{
				"error_description",
				"The previous asynchronous request has been accepted for processing, but the processing has not yet been completed",
			},
		}}
	}
	return answer{status: http.StatusOK, body: object{{"signatures", kept.values}}}
}
