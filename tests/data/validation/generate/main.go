// Reads [NAME, ROLLOUT, OBJECTS] from each line, and prints [NAME, ERRORS]: what the controller's validation says of the Rollout,
// null where it cannot even be read as one.  The first line has the messages that the validation has names for.
package main

import (
	"bufio"
	"encoding/json"
	"log"
	"os"

	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/v1alpha1"
	"github.com/argoproj/argo-rollouts/pkg/apis/rollouts/validation"
	ingressutil "github.com/argoproj/argo-rollouts/utils/ingress"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
)

// messages are the words that the package has names for.
var messages = []string{
	validation.MissingFieldMessage,
	validation.InvalidSetWeightMessage,
	validation.InvalidCanaryExperimentTemplateWeightWithoutTrafficRouting,
	validation.InvalidSetCanaryScaleTrafficPolicy,
	validation.InvalidSetHeaderRouteTrafficPolicy,
	validation.InvalidSetMirrorRouteTrafficPolicy,
	validation.InvalidStringMatchMultipleValuePolicy,
	validation.InvalidStringMatchMissedValuePolicy,
	validation.InvalidSetHeaderRouteALBValuePolicy,
	validation.InvalidDurationMessage,
	validation.InvalidMaxSurgeMaxUnavailable,
	validation.InvalidStepMessage,
	validation.InvalidStrategyMessage,
	validation.DuplicatedServicesBlueGreenMessage,
	validation.DuplicatedServicesCanaryMessage,
	validation.InvalidAntiAffinityStrategyMessage,
	validation.InvalidAntiAffinityWeightMessage,
	validation.ScaleDownLimitLargerThanRevisionLimit,
	validation.InvalidTrafficRoutingMessage,
	validation.InvalidAnalysisArgsMessage,
	validation.InvalidCanaryScaleDownDelay,
	validation.InvalidCanaryDynamicStableScale,
	validation.InvalidCanaryDynamicStableScaleWithScaleDownDelay,
	validation.InvalidCanaryMaxWeightOnlySupportInNginxAndPlugins,
	validation.InvalidPingPongProvidedMessage,
	validation.DuplicatedPingPongServicesMessage,
	validation.MissedAlbRootServiceMessage,
	validation.PingPongWithRouterOnlyMessage,
	validation.InvalideStepRouteNameNotFoundInManagedRoutes,
}

func main() {
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 1<<24)
	out := json.NewEncoder(os.Stdout)
	out.SetEscapeHTML(false)
	if err := out.Encode(messages); err != nil {
		log.Fatal(err)
	}
	for lines.Scan() {
		var parts []json.RawMessage
		if err := json.Unmarshal(lines.Bytes(), &parts); err != nil {
			log.Fatal(err)
		}
		if err := out.Encode([]any{parts[0], judged(parts[1], parts[2])}); err != nil {
			log.Fatal(err)
		}
	}
	if err := lines.Err(); err != nil {
		log.Fatal(err)
	}
}

// judged returns the field and the words of each error.
func judged(text, others []byte) any {
	var rollout v1alpha1.Rollout
	if err := json.Unmarshal(text, &rollout); err != nil {
		return nil
	}
	found := [][2]string{}
	for _, err := range validation.ValidateRollout(&rollout) {
		found = append(found, [2]string{err.Field, err.ErrorBody()})
	}
	for _, check := range []func(*v1alpha1.Rollout) error{
		validation.ValidateRolloutNginxIngressesConfig,
		validation.ValidateRolloutAlbIngressesConfig,
		validation.ValidateRolloutVirtualServicesConfig,
	} {
		if err := check(&rollout); err != nil {
			found = append(found, [2]string{"", err.Error()})
		}
	}
	var objects []unstructured.Unstructured
	if err := json.Unmarshal(others, &objects); err != nil {
		log.Fatal(err)
	}
	if len(objects) > 0 {
		for _, err := range validation.ValidateRolloutReferencedResources(&rollout, referenced(&rollout, objects)) {
			found = append(found, [2]string{err.Field, err.ErrorBody()})
		}
	}
	return found
}

// referenced sorts the objects as the controller does when it looks for what a Rollout refers to.
func referenced(rollout *v1alpha1.Rollout, objects []unstructured.Unstructured) validation.ReferencedResources {
	found := validation.ReferencedResources{}
	templates := map[string]*v1alpha1.AnalysisTemplate{}
	for _, object := range objects {
		switch object.GetKind() + "." + object.GroupVersionKind().Group {
		case "Service.":
			service := &corev1.Service{}
			convert(object, service)
			found.ServiceWithType = append(found.ServiceWithType, validation.ServiceWithType{Service: service, Type: role(rollout, service.Name)})
		case "Ingress.networking.k8s.io":
			ingress := &networkingv1.Ingress{}
			convert(object, ingress)
			found.Ingresses = append(found.Ingresses, *ingressutil.NewIngress(ingress))
		case "VirtualService.networking.istio.io":
			found.VirtualServices = append(found.VirtualServices, object)
		case "Mapping.getambassador.io":
			found.AmbassadorMappings = append(found.AmbassadorMappings, object)
		case "VirtualRouter.appmesh.k8s.aws":
			found.AppMeshResources = append(found.AppMeshResources, object)
		case "AnalysisTemplate.argoproj.io":
			template := &v1alpha1.AnalysisTemplate{}
			convert(object, template)
			templates[template.Name] = template
		}
	}
	add := func(analysis *v1alpha1.RolloutAnalysis, kind validation.AnalysisTemplateType, step int) {
		if analysis == nil {
			return
		}
		one := validation.AnalysisTemplatesWithType{TemplateType: kind, CanaryStepIndex: step, Args: analysis.Args}
		for _, reference := range analysis.Templates {
			if template, ok := templates[reference.TemplateName]; ok {
				one.AnalysisTemplates = append(one.AnalysisTemplates, template)
			}
		}
		if len(one.AnalysisTemplates) > 0 {
			found.AnalysisTemplatesWithType = append(found.AnalysisTemplatesWithType, one)
		}
	}
	if blueGreen := rollout.Spec.Strategy.BlueGreen; blueGreen != nil {
		add(blueGreen.PrePromotionAnalysis, validation.PrePromotionAnalysis, 0)
		add(blueGreen.PostPromotionAnalysis, validation.PostPromotionAnalysis, 0)
	}
	if canary := rollout.Spec.Strategy.Canary; canary != nil {
		for index, step := range canary.Steps {
			add(step.Analysis, validation.InlineAnalysis, index)
		}
		if canary.Analysis != nil {
			add(&canary.Analysis.RolloutAnalysis, validation.BackgroundAnalysis, 0)
		}
	}
	return found
}

func role(rollout *v1alpha1.Rollout, name string) validation.ServiceType {
	if blueGreen := rollout.Spec.Strategy.BlueGreen; blueGreen != nil {
		if blueGreen.ActiveService == name {
			return validation.ActiveService
		}
		return validation.PreviewService
	}
	canary := rollout.Spec.Strategy.Canary
	switch {
	case canary.StableService == name:
		return validation.StableService
	case canary.CanaryService == name:
		return validation.CanaryService
	case canary.PingPong.PingService == name:
		return validation.PingService
	}
	return validation.PongService
}

func convert(object unstructured.Unstructured, into any) {
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object.Object, into); err != nil {
		log.Fatal(err)
	}
}
