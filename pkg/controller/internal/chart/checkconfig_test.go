package chart_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// hooked reports whether an object is a hook that exists before an installation and before an
// upgrade.
func hooked(o client.Object) bool {
	return o.GetAnnotations()["helm.sh/hook"] == "pre-install,pre-upgrade"
}

// checkJob returns the Job that checks the configuration.
func checkJob(t *testing.T, all []client.Object) *batchv1.Job {
	t.Helper()
	return find[*batchv1.Job](t, all, release+"-check-config")
}

// TestCheckJob checks in every mode that the Job checks the flags, the image and the settings of
// the instances, and that it uses nothing of the chart that does not exist before the installation.
func TestCheckJob(t *testing.T) {
	for name, values := range modes {
		if strings.Contains(values, "configCheck") {
			continue
		}
		all := objects(t, values)
		set, job := find[*appsv1.StatefulSet](t, all, release), checkJob(t, all)
		if !hooked(job) {
			t.Errorf("%s: annotations are %v", name, job.Annotations)
		}
		pod := job.Spec.Template
		proxy, check := set.Spec.Template.Spec.Containers[0], pod.Spec.Containers[0]
		if check.Image != proxy.Image || check.Args[0] != "--check-config" {
			t.Errorf("%s: the Job runs %s %v", name, check.Image, check.Args)
		}
		for _, arg := range proxy.Args {
			ofController := strings.Contains(arg, "=/etc/signstash/clients/") ||
				strings.Contains(arg, "=/etc/signstash/endpoint/") || strings.Contains(arg, "=/etc/signstash/peers/")
			if !ofController && !slices.Contains(check.Args, arg) {
				t.Errorf("%s: the Job does not check %s", name, arg)
			}
		}
		if pod.Labels["app.kubernetes.io/component"] != "check-config" {
			t.Errorf("%s: the labels of the Job's pod are %v, and Services select proxies", name, pod.Labels)
		}
		if pod.Spec.ServiceAccountName != "" {
			t.Errorf("%s: the Job uses service account %s", name, pod.Spec.ServiceAccountName)
		}
		wantEarly(t, name, all, pod.Spec)
	}
}

// wantEarly checks that every object of the chart that the pod mounts is a hook, and that a missing
// Secret of the user does not keep the pod from starting.
func wantEarly(t *testing.T, name string, all []client.Object, pod corev1.PodSpec) {
	t.Helper()
	early := map[string]bool{} // whether an object of the chart exists before the installation
	for _, o := range all {
		switch o.(type) {
		case *corev1.ConfigMap, *corev1.Secret:
			early[o.GetName()] = hooked(o) && o.GetAnnotations()["helm.sh/hook-weight"] == "-10"
		}
	}
	for _, v := range pod.Volumes {
		switch {
		case v.ConfigMap != nil:
			if exists, ours := early[v.ConfigMap.Name]; ours && !exists {
				t.Errorf("%s: the Job mounts ConfigMap %s, which exists later", name, v.ConfigMap.Name)
			}
		case v.Secret != nil:
			exists, ours := early[v.Secret.SecretName]
			optional := v.Secret.Optional != nil && *v.Secret.Optional
			if ours && !exists || !ours && !optional {
				t.Errorf("%s: the Job waits for Secret %s", name, v.Secret.SecretName)
			}
		}
	}
}

// buildProxy builds the proxy once, in scratch.
var buildProxy = sync.OnceValues(func() (string, error) { return buildProgram("proxy") })

// runCheck runs the proxy with the arguments of the Job, and with the rendered files in a folder.
func runCheck(t *testing.T, all []client.Object) (string, error) {
	t.Helper()
	program, err := buildProxy()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	pod := checkJob(t, all).Spec.Template.Spec
	for _, m := range pod.Containers[0].VolumeMounts {
		i := slices.IndexFunc(pod.Volumes, func(v corev1.Volume) bool { return v.Name == m.Name })
		files := map[string]string{}
		switch v := pod.Volumes[i]; {
		case v.ConfigMap != nil:
			files = find[*corev1.ConfigMap](t, all, v.ConfigMap.Name).Data
		case v.Secret != nil:
			files = find[*corev1.Secret](t, all, v.Secret.SecretName).StringData
		}
		mounted := filepath.Join(folder, m.MountPath)
		if err := os.MkdirAll(mounted, 0o700); err != nil {
			t.Fatal(err)
		}
		for name, content := range files {
			content = strings.ReplaceAll(content, "/etc/signstash", folder+"/etc/signstash")
			if err := os.WriteFile(filepath.Join(mounted, name), []byte(content), 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	var args []string
	for _, arg := range pod.Containers[0].Args {
		args = append(args, strings.Replace(arg, "=/", "="+folder+"/", 1))
	}
	out, err := exec.CommandContext(t.Context(), program, args...).CombinedOutput()
	return string(out), err
}

// TestCheckFindsTypo runs the Job's command with the rendered files. A typo in the values makes it
// fail, and helm then leaves the running pods alone.
func TestCheckFindsTypo(t *testing.T) {
	if out, err := runCheck(t, objects(t, "trial: {enabled: true}")); err != nil {
		t.Errorf("the trial is not valid: %v\n%s", err, out)
	}
	out, err := runCheck(t, objects(t, "{trial: {enabled: true}, config: {limits.document.sise: 10MB, log.level: loud}}"))
	const typo = "unknown setting limits.document.sise"
	if err == nil || !strings.Contains(out, "2 problems") || !strings.Contains(out, typo) {
		t.Errorf("a typo gives %v\n%s", err, out)
	}
}

// TestCheckInEachPod checks that the init container has the flags and files of the instance.
func TestCheckInEachPod(t *testing.T) {
	all := objects(t, modes["check in each pod"])
	if slices.ContainsFunc(all, hooked) {
		t.Error("there are hooks, which this mode must not need")
	}
	pod := find[*appsv1.StatefulSet](t, all, release).Spec.Template.Spec
	if len(pod.InitContainers) != 1 {
		t.Fatalf("init containers are %v", pod.InitContainers)
	}
	check, proxy := pod.InitContainers[0], pod.Containers[0]
	if want := append([]string{"--check-config"}, proxy.Args...); !slices.Equal(check.Args, want) {
		t.Errorf("the check runs with %v, want %v", check.Args, want)
	}
	for _, m := range proxy.VolumeMounts {
		same := func(other corev1.VolumeMount) bool { return other.Name == m.Name && other.MountPath == m.MountPath }
		if mounted := slices.ContainsFunc(check.VolumeMounts, same); mounted == (m.Name == "state") {
			t.Errorf("the check mounts %s: %v", m.Name, mounted)
		}
	}
	for _, o := range objects(t, modes["nothing optional"]) {
		if set, ok := o.(*appsv1.StatefulSet); hooked(o) || ok && len(set.Spec.Template.Spec.InitContainers) > 0 {
			t.Errorf("mode None has a check in %s", o.GetName())
		}
	}
}

// TestOwnSettings checks that flags, settings and variables that the chart sets or relies on are
// refused by name.
func TestOwnSettings(t *testing.T) {
	for values, want := range map[string]string{
		`extraArgs: ["--server.port=9000"]`:                      "extraArgs: --server.port is set by the chart: Services",
		`extraArgs: ["--log.level=debug", "--state.folder=/a"]`:  "extraArgs: --state.folder is set by the chart: the volume",
		`extraArgs: ["--version"]`:                               "extraArgs: --version: the pod would print a text and end",
		`config: {instance: {ordinal: 1}}`:                       "config: instance.ordinal is set by the chart",
		`config: {server.ssl: {certificate: a}}`:                 "config: server.ssl.certificate is set by the chart",
		`config: {affinity.endpoint.file: a}`:                    "config: affinity.endpoint.file is set by the chart",
		`extraEnv: [{name: MANAGEMENT_SERVER_PORT, value: "1"}]`: "extraEnv: MANAGEMENT_SERVER_PORT is set by the chart",
		`extraArgs: ["--work.folder=/a"]`:                        "extraArgs: --work.folder is set by the chart",
		`config: {hot.folder: {enabled: true}}`:                  "config: hot.folder.enabled is set by the chart",
		`controller: {extraArgs: ["--lease=mine"]}`:              "controller.extraArgs: --lease is set by the chart",
	} {
		if _, err := template(t, "trial: {enabled: true}\n"+values); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %q", values, err, want)
		}
	}
	// Every flag that the templates give is refused.
	for _, mode := range []string{"TLS", "hot folder", "hot folder in a bucket"} {
		proxy := find[*appsv1.StatefulSet](t, objects(t, modes[mode]), release).Spec.Template.Spec
		for _, arg := range proxy.Containers[0].Args {
			if _, err := template(t, "{trial: {enabled: true}, extraArgs: ['"+arg+"']}"); err == nil {
				t.Errorf("%s in extraArgs is not refused", arg)
			}
		}
	}
	controller := find[*appsv1.Deployment](t, objects(t, modes["HostTemplate"]), release+"-controller").Spec.Template.Spec
	for _, arg := range controller.Containers[0].Args {
		if _, err := template(t, "{trial: {enabled: true}, controller: {extraArgs: ['"+arg+"']}}"); err == nil {
			t.Errorf("%s in controller.extraArgs is not refused", arg)
		}
	}
}
