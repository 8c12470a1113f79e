// Command argocd syncs a file of manifests as Argo CD's application controller does (controller/sync.go of v3.6):
// each look at an operation is a sync context of its own, which begins with the results of the last one and with what
// is in the cluster now, and two seconds pass after each wave.  The agent of gitops-engine has one context for a whole
// operation, with the objects as they were when it began, so that it never sees one become healthy.
package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"github.com/go-logr/logr"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2/klogr"

	"github.com/argoproj/gitops-engine/pkg/cache"
	"github.com/argoproj/gitops-engine/pkg/sync"
	"github.com/argoproj/gitops-engine/pkg/sync/common"
	"github.com/argoproj/gitops-engine/pkg/utils/kube"
	"github.com/argoproj/gitops-engine/pkg/utils/tracing"
)

const tracked = "example.com/synced"

// waveDelay is what ARGOCD_SYNC_WAVE_DELAY is by default.
const waveDelay = 2 * time.Second

type syncer struct {
	log       logr.Logger
	config    *rest.Config
	cache     cache.ClusterCache
	kubectl   kube.Kubectl
	file      string
	namespace string
}

func main() {
	file := flag.String("manifests", "", "the file of manifests")
	kubeconfig := flag.String("kubeconfig", "", "the kubeconfig")
	namespace := flag.String("default-namespace", "default", "where objects go that name none")
	port := flag.Int("port", 9001, "the port on which a GET of /api/v1/sync asks for a sync")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err != nil {
		panic(err)
	}
	config.QPS, config.Burst = 200, 400
	log := klogr.New()
	clusterCache := cache.NewClusterCache(config, cache.SetLogr(log), cache.SetPopulateResourceInfoHandler(
		func(found *unstructured.Unstructured, _ bool) (interface{}, bool) {
			_, isOurs := found.GetAnnotations()[tracked]
			return isOurs, isOurs
		}))
	if err := clusterCache.EnsureSynced(); err != nil {
		panic(err)
	}
	s := syncer{log, config, clusterCache, &kube.KubectlCmd{Log: log, Tracer: tracing.NopTracer{}}, *file, *namespace}
	asked := make(chan bool)
	http.HandleFunc("/api/v1/sync", func(http.ResponseWriter, *http.Request) { asked <- true })
	go func() { panic(http.ListenAndServe(fmt.Sprintf("127.0.0.1:%d", *port), nil)) }()
	for range asked {
		if err := s.sync(); err != nil {
			log.Error(err, "Failed to synchronize cluster state")
		}
		fmt.Println("RESOURCE")
	}
}

// sync does one operation, from its first wave to its last.
func (s *syncer) sync() error {
	target, revision, err := s.manifests()
	if err != nil {
		return err
	}
	phase, message, results := common.OperationRunning, "", []common.ResourceSyncResult(nil)
	started := metav1.Now()
	for !phase.Completed() {
		if phase, message, results, err = s.look(target, revision, phase, message, results, started); err != nil {
			return err
		}
		time.Sleep(200 * time.Millisecond)
	}
	if phase != common.OperationSucceeded {
		return errors.New(message)
	}
	return nil
}

// look goes on with an operation as far as it goes without waiting.
func (s *syncer) look(
	target []*unstructured.Unstructured, revision string, phase common.OperationPhase, message string,
	results []common.ResourceSyncResult, started metav1.Time,
) (common.OperationPhase, string, []common.ResourceSyncResult, error) {
	live, err := s.cache.GetManagedLiveObjs(target, func(r *cache.Resource) bool { return r.Info == true })
	if err != nil {
		return phase, message, results, err
	}
	found := sync.Reconcile(target, live, s.namespace, s.cache)
	context, cleanup, err := sync.NewSyncContext(
		revision, found, s.config, s.config, s.kubectl, s.namespace, s.cache.GetOpenAPISchema(),
		sync.WithPrune(true), sync.WithLogr(s.log), sync.WithInitialState(phase, message, results, started),
		sync.WithSyncWaveHook(func(_ common.SyncPhase, _ int, isLast bool) error {
			if !isLast {
				time.Sleep(waveDelay)
			}
			return nil
		}),
	)
	if err != nil {
		return phase, message, results, err
	}
	defer cleanup()
	context.Sync()
	phase, message, results = context.GetState()
	return phase, message, results, nil
}

func (s *syncer) manifests() ([]*unstructured.Unstructured, string, error) {
	text, err := os.ReadFile(s.file)
	if err != nil {
		return nil, "", err
	}
	objects, err := kube.SplitYAML(bytes.TrimSpace(text))
	for _, object := range objects {
		annotations := object.GetAnnotations()
		if annotations == nil {
			annotations = map[string]string{}
		}
		annotations[tracked] = "true"
		object.SetAnnotations(annotations)
	}
	return objects, fmt.Sprintf("%x", sha256.Sum256(text)), err
}
