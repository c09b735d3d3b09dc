package client

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
)

// Drain says how far the stop of an instance is. It is the answer of GET /drain on the management
// port.
type Drain struct {
	Instance string `json:"instance"`
	// Phase is running, stopping (it works as before for the shutdown delay), finishing (it refuses
	// new operations and works on accepted ones), lingering (it leaves for good and answers reads) or
	// ending.
	Phase string `json:"phase"`
	// ForGood says that the instance is stopping and will not be started again.
	ForGood bool `json:"forGood"`
	// PendingOperations is the number of accepted operations that have not ended.
	PendingOperations int64 `json:"pendingOperations"`
	// ResultsNotFetched is the number of operations that have ended and whose results no client has
	// fetched completely.
	ResultsNotFetched int64 `json:"resultsNotFetched"`
	// CallbacksNotMade is the number of callbacks that are still to be made.
	CallbacksNotMade int64 `json:"callbacksNotMade"`
	// ClaimsNotHandedOver is the number of claims of Idempotency-Keys that no other instance has.
	ClaimsNotHandedOver int64 `json:"claimsNotHandedOver"`
	// SecondsLeft is how long an instance that leaves for good stays at most. Nil = not known.
	SecondsLeft *int64 `json:"secondsLeft,omitempty"`
}

// maxDrainBytes bounds the answer of GET /drain, which has about 200 bytes.
const maxDrainBytes = 64 << 10

// ReadDrain asks the management port at a URL, such as http://localhost:8081. It sends no
// credentials, because the port has no authentication.
func ReadDrain(ctx context.Context, c *http.Client, management string) (d Drain, err error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, strings.TrimRight(management, "/")+"/drain", nil)
	if err != nil {
		return d, fmt.Errorf("make request: %w", err)
	}
	resp, err := c.Do(req)
	if err != nil {
		return d, err
	}
	defer resp.Body.Close()
	text, err := io.ReadAll(io.LimitReader(resp.Body, maxDrainBytes))
	if err != nil {
		return d, fmt.Errorf("read answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return d, fmt.Errorf("%s answered %s; is it the management port of a proxy?", req.URL.Redacted(), resp.Status)
	}
	if err := json.Unmarshal(text, &d); err != nil || d.Phase == "" {
		return d, fmt.Errorf("%s did not answer like the management port of a proxy", req.URL.Redacted())
	}
	return d, nil
}
