// Package chart holds the chart against the API server's own types, the rights that the controller
// declares and the flags that the proxy knows. It is tests alone.
package chart
