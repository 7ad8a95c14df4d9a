# Trains on data sets of R's own, saves each model natively, and writes rows and predict(model, rows) as CSV without a header.
#
#   Rscript make_xgboost.R FOLDER      with the R packages xgboost and Matrix; what runs is written to FOLDER/versions.txt
#
# xgboost 1.7 and 3.x are both served: they differ in the name of the watched data, and in categories, which 1.7 takes from no factor.

library(xgboost)
library(Matrix)

folder <- commandArgs(trailingOnly = TRUE)[1]
dir.create(folder, showWarnings = FALSE, recursive = TRUE)
old <- packageVersion("xgboost") < "2"

csv <- function(table, name) {
  table <- format(as.data.frame(as.matrix(table)), digits = 15, trim = TRUE)
  write.table(table, file.path(folder, name), sep = ",", row.names = FALSE, col.names = FALSE, quote = FALSE)
}

release <- function(name, settings, data, rows, rounds = 10, formats = "ubj", shown = rows, ...) {
  set.seed(1)
  model <- xgb.train(c(settings, list(nthread = 1, max_depth = 3)), data, rounds, verbose = 0, ...)
  for (format in formats) stopifnot(xgb.save(model, file.path(folder, paste0(name, ".", format))))
  csv(shown, paste0(name, ".rows.csv"))
  answers <- predict(model, rows)
  # 1.7 gives the probabilities of all classes as one vector, row by row.
  if (old && settings$objective == "multi:softprob") answers <- matrix(answers, ncol = settings$num_class, byrow = TRUE)
  csv(answers, paste0(name, ".answers.csv"))
  invisible(model)
}

# Three levels of a factor, which R counts from 1 and XGBoost from 0; names of columns with a dot.
flowers <- as.matrix(iris[, 1:4])
species <- as.integer(iris$Species) - 1
softprob <- list(objective = "multi:softprob", num_class = 3)
model <- release("iris", softprob, xgb.DMatrix(flowers, label = species), flowers, formats = c("json", "ubj", "model"))
saveRDS(model, file.path(folder, "iris.rds"))
release("softmax", list(objective = "multi:softmax", num_class = 3), xgb.DMatrix(flowers, label = species), flowers)

# Columns named like others: f3 is column 0.
swapped <- flowers
colnames(swapped) <- c("f3", "f2", "f1", "f0")
release("swapped", softprob, xgb.DMatrix(swapped, label = species), swapped)

# Early stopping: predict() leaves out the rounds behind the best.
cars <- as.matrix(mtcars[, c("mpg", "disp", "hp", "wt", "qsec")])
held <- seq(1, 32, 3)
watched <- list(held = xgb.DMatrix(cars[held, ], label = mtcars$am[held]))
watched <- if (old) list(watchlist = watched) else list(evals = watched)
do.call(release, c(list("stopped", list(objective = "binary:logistic", min_child_weight = 0.1),
                        xgb.DMatrix(cars[-held, ], label = mtcars$am[-held]), cars, rounds = 50, early_stopping_rounds = 3), watched))

# Missing values, and a base score far from 0.5.
measured <- airquality[!is.na(airquality$Ozone), ]
air <- as.matrix(measured[, c("Solar.R", "Wind", "Temp", "Month", "Day")])
release("airquality", list(objective = "reg:squarederror"), xgb.DMatrix(air, label = measured$Ozone), air, formats = "json")

# Counts, whose logarithm the trees give, from a factor: as categories since 2.0, before as numbers.
codes <- as.matrix(as.integer(InsectSprays$spray) - if (old) 0 else 1)
sprays <- if (old) codes else InsectSprays["spray"]
release("insects", list(objective = "count:poisson", max_cat_to_onehot = 1), xgb.DMatrix(sprays, label = InsectSprays$count), sprays, shown = codes)

# A sparse matrix: what it does not hold is missing, not 0.
sparse <- sparse.model.matrix(breaks ~ wool * tension - 1, warpbreaks)
shown <- as.matrix(sparse)
shown[shown == 0] <- NA
release("sparse", list(objective = "reg:squarederror"), xgb.DMatrix(sparse, label = warpbreaks$breaks), sparse, shown = shown)

# Scores without a transformation, which a converter that guesses takes for probabilities.
automatic <- xgb.DMatrix(cars, label = mtcars$am)
release("raw", list(objective = "binary:logitraw"), automatic, cars)

# What the converter of onnxmltools 1.16.0 gets wrong without a word.
release("forest", c(softprob, list(num_parallel_tree = 2, subsample = 0.5)), xgb.DMatrix(flowers, label = species), flowers, rounds = 3)
release("hinge", list(objective = "binary:hinge"), automatic, cars)

# What no converter knows.
release("dart", list(objective = "reg:squarederror", booster = "dart"), automatic, cars, rounds = 3)
release("linear", list(objective = "reg:squarederror", booster = "gblinear"), automatic, cars, rounds = 3)

writeLines(c(R.version.string, paste("xgboost", packageVersion("xgboost"))), file.path(folder, "versions.txt"))
