package chart_test

import (
	"slices"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
)

// TestGracePeriod checks that a pod has the time that its proxy takes to leave for good, whatever
// the values are, and that no hook takes part of it.
func TestGracePeriod(t *testing.T) {
	for _, test := range []struct {
		values string
		want   int64
		flag   string
	}{
		{modes["trial"], 5 + 5 + 300 + 25 + 5, "--drain.linger=300s"},
		{"{trial: {enabled: true}, shutdown: {delaySeconds: 10, graceSeconds: 60}, drain: {lingerSeconds: 3600}}",
			10 + 10 + 3600 + 60 + 5, "--drain.linger=3600s"},
		{"{trial: {enabled: true}, drain: {lingerSeconds: 0}}", 5 + 5 + 25 + 5, "--drain.linger=0s"},
	} {
		pod := find[*appsv1.StatefulSet](t, objects(t, test.values), release).Spec.Template.Spec
		if got := pod.TerminationGracePeriodSeconds; got == nil || *got != test.want {
			t.Errorf("%s: the grace period is %v, want %d", test.values, got, test.want)
		}
		if args := pod.Containers[0].Args; !slices.Contains(args, test.flag) {
			t.Errorf("%s: the proxy has the flags %v, want %s", test.values, args, test.flag)
		}
		if pod.Containers[0].Lifecycle != nil {
			t.Errorf("%s: the proxy has a hook, which takes part of its grace period", test.values)
		}
	}
}

// TestScaleDown checks that an autoscaler that may scale down removes one instance at a time, and
// the next one when that had the time to leave.
func TestScaleDown(t *testing.T) {
	for values, want := range map[string]int32{
		"{trial: {enabled: true}, autoscaling: {enabled: true, scaleDown: true}}":                                340,
		"{trial: {enabled: true}, autoscaling: {enabled: true, scaleDown: true}, drain: {lingerSeconds: 86400}}": 1800,
	} {
		scaler := find[*autoscalingv2.HorizontalPodAutoscaler](t, objects(t, values), release)
		policies := scaler.Spec.Behavior.ScaleDown.Policies
		if len(policies) != 1 || policies[0].Type != autoscalingv2.PodsScalingPolicy || policies[0].Value != 1 ||
			policies[0].PeriodSeconds != want {
			t.Errorf("%s: the policies are %+v, want one pod in %d seconds", values, policies, want)
		}
	}
}
