"""scikit-learn's estimators, fitted and exported anew by skl2onnx: small data from a fixed seed."""

import warnings
from collections.abc import Callable
from unittest import mock

import numpy as np
import onnx
import skl2onnx
from honest_graph import MODELS, WORDS, Honest
from onnx import ModelProto
from skl2onnx.common.data_types import FloatTensorType, Int64TensorType, StringTensorType
from sklearn import (
    calibration,
    cluster,
    compose,
    cross_decomposition,
    decomposition,
    discriminant_analysis,
    ensemble,
    feature_extraction,
    feature_selection,
    gaussian_process,
    impute,
    linear_model,
    mixture,
    multiclass,
    multioutput,
    naive_bayes,
    neighbors,
    neural_network,
    pipeline,
    preprocessing,
    random_projection,
    svm,
    tree,
)

BY = ("scikit-learn", "skl2onnx")
ROWS = ({"rows": 1}, {"rows": 5})
FEATURES = 4
_rng = np.random.default_rng(3)
X = _rng.standard_normal((60, FEATURES)).astype(np.float32)
CLASS = (X[:, 0] + X[:, 1] > 0).astype(int) + (X[:, 2] > 0.5)
WORD = np.array(["low", "middle", "high"], object)[CLASS]
BOTH = np.stack([X[:, 0] > 0, X[:, 1] > 0], axis=1).astype(int)
TARGET = X @ np.arange(1, FEATURES + 1, dtype=np.float32) + np.sin(X[:, 0])
TARGETS = np.stack([TARGET, -TARGET * X[:, 1]], axis=1)
COUNTS = np.abs(TARGET).round() + 1
TEXTS = [f"{first} {second} and more" for first in WORDS for second in ("one", "two", "three")]
SPAM = np.arange(len(TEXTS)) % 2


MAKE_ATTRIBUTE = onnx.helper.make_attribute


def whole_numbers(key: str, value: object, *rest: object, **how: object) -> onnx.AttributeProto:
    """skl2onnx gives booleans where whole numbers belong, for histogram gradient boosting; newer protobufs refuse them."""
    if isinstance(value, list) and any(isinstance(item, bool | np.bool_) for item in value):
        value = [int(item) for item in value]
    return MAKE_ATTRIBUTE(key, value, *rest, **how)


def exported(estimator: object, x: object, y: object, types: list, options: dict | None) -> ModelProto:
    """Fitted and converted; what either warns of is not about these models."""
    with warnings.catch_warnings(), mock.patch.object(onnx.helper, "make_attribute", whole_numbers):
        warnings.simplefilter("ignore")
        estimator.fit(x, y)
        return skl2onnx.to_onnx(estimator, initial_types=types, options=options, target_opset={"": 21, "ai.onnx.ml": 3})


def register(name: str, make: Callable[[], object], y: object = None, **options: object) -> None:
    """An estimator over four columns of floats."""
    types = [("X", FloatTensorType([None, FEATURES]))]

    def build() -> ModelProto:
        estimator = make()
        return exported(estimator, X, y, types, {id(estimator): options} if options else None)

    assert f"sklearn-{name}" not in MODELS
    MODELS[f"sklearn-{name}"] = Honest(build, sizes=ROWS, by=BY)


SMALL = {"n_estimators": 5, "random_state": 0}
SEED = {"random_state": 0}
TREE = {"max_depth": 3, "random_state": 0}
BASE = linear_model.LogisticRegression

CLASSIFIERS: dict[str, Callable[[], object]] = {
    "logistic": BASE,
    "logistic-l1": lambda: BASE(solver="saga", l1_ratio=1.0, max_iter=50, **SEED),
    "ridge-classifier": linear_model.RidgeClassifier,
    "sgd-classifier": lambda: linear_model.SGDClassifier(loss="log_loss", **SEED),
    "perceptron": lambda: linear_model.Perceptron(**SEED),
    "linear-svc": lambda: svm.LinearSVC(**SEED),
    "svc-rbf": svm.SVC,
    "svc-poly": lambda: svm.SVC(kernel="poly"),
    "svc-linear": lambda: svm.SVC(kernel="linear"),
    "nu-svc": lambda: svm.NuSVC(nu=0.2),
    "tree-classifier": lambda: tree.DecisionTreeClassifier(**TREE),
    "extra-tree-classifier": lambda: tree.ExtraTreeClassifier(**TREE),
    "forest-classifier": lambda: ensemble.RandomForestClassifier(**SMALL),
    "extra-trees-classifier": lambda: ensemble.ExtraTreesClassifier(**SMALL),
    "gradient-boosting-classifier": lambda: ensemble.GradientBoostingClassifier(**SMALL),
    "hist-gradient-boosting-classifier": lambda: ensemble.HistGradientBoostingClassifier(max_iter=5, **SEED),
    "ada-boost-classifier": lambda: ensemble.AdaBoostClassifier(**SMALL),
    "bagging-classifier": lambda: ensemble.BaggingClassifier(**SMALL),
    "voting-classifier": lambda: ensemble.VotingClassifier(
        [("a", BASE()), ("b", tree.DecisionTreeClassifier(**TREE))], voting="soft", flatten_transform=False
    ),
    "stacking-classifier": lambda: ensemble.StackingClassifier([("a", BASE()), ("b", naive_bayes.GaussianNB())], BASE()),
    "knn-classifier": neighbors.KNeighborsClassifier,
    "gaussian-nb": naive_bayes.GaussianNB,
    "bernoulli-nb": naive_bayes.BernoulliNB,
    "mlp-classifier": lambda: neural_network.MLPClassifier((8, 8), max_iter=20, **SEED),
    "linear-discriminant": discriminant_analysis.LinearDiscriminantAnalysis,
    "quadratic-discriminant": discriminant_analysis.QuadraticDiscriminantAnalysis,
    "one-vs-rest": lambda: multiclass.OneVsRestClassifier(BASE()),
    "one-vs-one": lambda: multiclass.OneVsOneClassifier(svm.LinearSVC(**SEED)),
    "calibrated": lambda: calibration.CalibratedClassifierCV(svm.LinearSVC(**SEED), cv=2),
}
REGRESSORS: dict[str, Callable[[], object]] = {
    "linear": linear_model.LinearRegression,
    "ridge": linear_model.Ridge,
    "lasso": lambda: linear_model.Lasso(alpha=0.01),
    "elastic-net": lambda: linear_model.ElasticNet(alpha=0.01),
    "bayesian-ridge": linear_model.BayesianRidge,
    "huber": linear_model.HuberRegressor,
    "sgd-regressor": lambda: linear_model.SGDRegressor(**SEED),
    "svr": svm.SVR,
    "nu-svr": svm.NuSVR,
    "linear-svr": lambda: svm.LinearSVR(**SEED),
    "tree-regressor": lambda: tree.DecisionTreeRegressor(**TREE),
    "forest-regressor": lambda: ensemble.RandomForestRegressor(**SMALL),
    "extra-trees-regressor": lambda: ensemble.ExtraTreesRegressor(**SMALL),
    "gradient-boosting-regressor": lambda: ensemble.GradientBoostingRegressor(**SMALL),
    "hist-gradient-boosting-regressor": lambda: ensemble.HistGradientBoostingRegressor(max_iter=5, **SEED),
    "ada-boost-regressor": lambda: ensemble.AdaBoostRegressor(**SMALL),
    "knn-regressor": lambda: neighbors.KNeighborsRegressor(3, weights="distance"),
    "mlp-regressor": lambda: neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, **SEED),
    "gaussian-process": lambda: gaussian_process.GaussianProcessRegressor(gaussian_process.kernels.RBF(), alpha=0.1),
    "ransac": lambda: linear_model.RANSACRegressor(**SEED),
    "polynomial-ridge": lambda: pipeline.make_pipeline(preprocessing.PolynomialFeatures(2), linear_model.Ridge()),
}
OTHERS: dict[str, Callable[[], object]] = {
    "k-means": lambda: cluster.KMeans(3, n_init=1, **SEED),
    "mini-batch-k-means": lambda: cluster.MiniBatchKMeans(3, n_init=1, **SEED),
    "gaussian-mixture": lambda: mixture.GaussianMixture(2, **SEED),
    "isolation-forest": lambda: ensemble.IsolationForest(**SMALL),
    "one-class-svm": svm.OneClassSVM,
    "local-outlier-factor": lambda: neighbors.LocalOutlierFactor(5, novelty=True),
    "pca": lambda: decomposition.PCA(2),
    "kernel-pca": lambda: decomposition.KernelPCA(2, kernel="rbf"),
    "incremental-pca": lambda: decomposition.IncrementalPCA(2),
    "truncated-svd": lambda: decomposition.TruncatedSVD(2, **SEED),
    "nearest-neighbors": lambda: neighbors.NearestNeighbors(n_neighbors=3, radius=None),
    "standard-scaler": preprocessing.StandardScaler,
    "min-max-scaler": preprocessing.MinMaxScaler,
    "robust-scaler": preprocessing.RobustScaler,
    "normalizer": preprocessing.Normalizer,
    "binarizer": preprocessing.Binarizer,
    "k-bins": lambda: preprocessing.KBinsDiscretizer(3, encode="onehot-dense", quantile_method="averaged_inverted_cdf"),
    "power": preprocessing.PowerTransformer,
    "polynomial": lambda: preprocessing.PolynomialFeatures(3),
    "knn-imputer": impute.KNNImputer,
    "variance-threshold": lambda: feature_selection.VarianceThreshold(0.1),
    "random-projection": lambda: random_projection.GaussianRandomProjection(2, **SEED),
}
for _group, _y in ((CLASSIFIERS, CLASS), (REGRESSORS, TARGET), (OTHERS, None)):
    for _name, _make in _group.items():
        register(_name, _make, _y)

# The same with labels that are words, with arrays of scores in place of maps, and with more than one answer.
register("logistic-words", BASE, WORD)
register("forest-words-array", lambda: ensemble.RandomForestClassifier(**SMALL), WORD, zipmap=False)
register("hist-gradient-boosting-columns", lambda: ensemble.HistGradientBoostingClassifier(max_iter=5), CLASS, zipmap="columns")
register("svc-probabilities", lambda: calibration.CalibratedClassifierCV(svm.SVC(), cv=2), WORD, zipmap=False)
register("poisson", lambda: linear_model.PoissonRegressor(max_iter=50), COUNTS)
register("gamma", lambda: linear_model.GammaRegressor(max_iter=50), COUNTS)
register("multi-output-classifier", lambda: multioutput.MultiOutputClassifier(BASE()), BOTH)
register("multi-output-regressor", lambda: multioutput.MultiOutputRegressor(linear_model.Ridge()), TARGETS)
register("forest-two-targets", lambda: ensemble.RandomForestRegressor(**SMALL), TARGETS)
register("mlp-two-targets", lambda: neural_network.MLPRegressor(hidden_layer_sizes=(8,), max_iter=20, **SEED), TARGETS)
register("pls", lambda: cross_decomposition.PLSRegression(2), TARGETS)
register("select-k-best", lambda: feature_selection.SelectKBest(k=2), CLASS)
register("forest-large", lambda: ensemble.RandomForestRegressor(200, random_state=0), TARGET)


def columns() -> ModelProto:
    """Numbers filled in and scaled, words one-hot, whole numbers ordinal, then boosted trees: inputs of three kinds."""
    rng = np.random.default_rng(5)
    numbers = np.where(rng.random((80, 2)) < 0.1, np.nan, rng.normal(3, 1, (80, 2)))
    rows = np.empty((80, 4), object)
    rows[:, :2], rows[:, 2], rows[:, 3] = numbers, rng.choice(WORDS, 80), rng.integers(0, 4, 80)
    filled = pipeline.make_pipeline(impute.SimpleImputer(strategy="median"), preprocessing.StandardScaler())
    prepared = compose.ColumnTransformer(
        [
            ("numbers", filled, [0, 1]),
            ("words", preprocessing.OneHotEncoder(handle_unknown="ignore"), [2]),
            ("kinds", preprocessing.OrdinalEncoder(), [3]),
        ]
    )
    whole = pipeline.make_pipeline(prepared, ensemble.GradientBoostingClassifier(**SMALL))
    types = [("numbers", FloatTensorType([None, 2])), ("city", StringTensorType([None, 1])), ("kind", Int64TensorType([None, 1]))]
    return exported(whole, rows, (np.nan_to_num(numbers[:, 0]) > 3).astype(int), types, {id(whole): {"zipmap": False}})


def text(vectorizer: object, last: object) -> ModelProto:
    """Words of a text, split by an operator of the runtime's own, counted, and classified."""
    options = {id(vectorizer): {"locale": "C"}}  # a locale that is on every machine
    return exported(pipeline.make_pipeline(vectorizer, last), TEXTS, SPAM, [("texts", StringTensorType([None]))], options)


PATTERN = {"token_pattern": "[a-zA-Z]+"}
TfIdf, Count = feature_extraction.text.TfidfVectorizer, feature_extraction.text.CountVectorizer
WORDY = {"sizes": ROWS, "by": BY, "needs": ("com.microsoft:Tokenizer", "unknown_sizes")}
MODELS |= {
    "sklearn-columns": Honest(columns, sizes=ROWS, by=BY, below={"kind": 4}),
    "sklearn-text-tfidf": Honest(lambda: text(TfIdf(**PATTERN), BASE()), **WORDY),
    "sklearn-text-pairs": Honest(lambda: text(TfIdf(ngram_range=(1, 2), **PATTERN), BASE()), **WORDY),
    "sklearn-text-counts": Honest(lambda: text(Count(**PATTERN), naive_bayes.MultinomialNB()), **WORDY),
}
