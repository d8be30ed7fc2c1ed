// Podsecurity judges pods by Kubernetes' own Pod Security Standards, as the API server's admission does.
//
// It reads a JSON list of pod templates ({"metadata": …, "spec": …}) from standard input and writes one line for each
// breach of the level that is named by its first argument: "name: reason: detail". The exit code is 1 when there is any.
package main

import (
	"encoding/json"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/pod-security-admission/api"
	"k8s.io/pod-security-admission/policy"
)

func main() {
	if len(os.Args) != 2 {
		fail(fmt.Errorf("usage: podsecurity privileged|baseline|restricted <pods.json"))
	}
	level, err := api.ParseLevel(os.Args[1])
	if err != nil {
		fail(err)
	}
	var pods []corev1.PodTemplateSpec
	if err := json.NewDecoder(os.Stdin).Decode(&pods); err != nil {
		fail(err)
	}
	breaches, err := judge(level, pods)
	if err != nil {
		fail(err)
	}
	if breaches > 0 {
		os.Exit(1)
	}
}

// judge prints every breach and returns how many there are.
func judge(level api.Level, pods []corev1.PodTemplateSpec) (int, error) {
	evaluator, err := policy.NewEvaluator(policy.DefaultChecks(), nil)
	if err != nil {
		return 0, err
	}
	wanted := api.LevelVersion{Level: level, Version: api.LatestVersion()}
	breaches := 0
	for _, pod := range pods {
		for _, result := range evaluator.EvaluatePod(wanted, &pod.ObjectMeta, &pod.Spec) {
			if !result.Allowed {
				breaches++
				fmt.Printf("%s: %s: %s\n", pod.Name, result.ForbiddenReason, result.ForbiddenDetail)
			}
		}
	}
	return breaches, nil
}

func fail(err error) {
	fmt.Fprintln(os.Stderr, err)
	os.Exit(2)
}
