// Trains by XGBoost4J on Fisher's irises, saves each model natively, and writes rows and predict() as CSV without a header.
//
//     java -cp xgboost4j.jar:... MakeXGBoost.java iris.rows.csv FOLDER

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import ml.dmlc.xgboost4j.java.Booster;
import ml.dmlc.xgboost4j.java.DMatrix;
import ml.dmlc.xgboost4j.java.XGBoost;
import ml.dmlc.xgboost4j.java.XGBoostError;

public class MakeXGBoost {
  public static void main(String[] arguments) throws IOException, XGBoostError {
    List<String> lines = Files.readAllLines(Path.of(arguments[0]));
    Path folder = Files.createDirectories(Path.of(arguments[1]));
    int rows = lines.size();
    float[] flowers = new float[rows * 4];
    float[] species = new float[rows];
    float[] virginica = new float[rows];
    for (int row = 0; row < rows; row++) {
      String[] values = lines.get(row).split(",");
      for (int column = 0; column < 4; column++) flowers[row * 4 + column] = Float.parseFloat(values[column]);
      species[row] = row / 50;
      virginica[row] = row / 100;
    }

    DMatrix data = new DMatrix(flowers, rows, 4, Float.NaN);
    data.setLabel(species);
    Booster model = XGBoost.train(data, settings("multi:softprob", "num_class", 3), 10, Map.of(), null, null);
    for (String format : List.of("json", "ubj", "deprecated")) model.saveModel(folder.resolve("iris." + format).toString());
    write(folder, "iris", flowers, 4, model.predict(data));

    // Early stopping: predict() takes all rounds, those behind the best as well.
    data.setLabel(virginica);
    DMatrix held = data.slice(new int[] {3, 30, 60, 77, 83, 106, 110, 119, 129, 133});
    held.setLabel(new float[] {0, 0, 0, 0, 0, 1, 1, 1, 1, 1});
    Booster stopped =
        XGBoost.train(data, settings("binary:logistic", "eta", 1), 40, Map.of("held", held), null, null, null, 3);
    if (stopped.getAttr("best_iteration") == null) throw new IllegalStateException("no best iteration");
    stopped.saveModel(folder.resolve("stopped.ubj").toString());
    write(folder, "stopped", flowers, 4, stopped.predict(data));

    // The constructor that names no missing value takes 0 for missing.
    float[] sizes = new float[rows * 3];
    float[] widths = new float[rows];
    for (int row = 0; row < rows; row++) {
      for (int column = 0; column < 3; column++) {
        float value = flowers[row * 4 + column];
        sizes[row * 3 + column] = (row + column) % 4 == 0 ? 0 : value;
      }
      widths[row] = flowers[row * 4 + 3];
    }
    @SuppressWarnings("deprecation")
    DMatrix zeros = new DMatrix(sizes, rows, 3);
    zeros.setLabel(widths);
    Booster regression = XGBoost.train(zeros, settings("reg:squarederror", "base_score", 1.2), 10, Map.of(), null, null);
    regression.saveModel(folder.resolve("zeros.ubj").toString());
    float[][] answers = regression.predict(zeros);
    write(folder, "zeros-as-they-are", sizes, 3, answers);
    for (int at = 0; at < sizes.length; at++) if (sizes[at] == 0) sizes[at] = Float.NaN;
    write(folder, "zeros", sizes, 3, answers);
  }

  static Map<String, Object> settings(String objective, String name, Object value) {
    Map<String, Object> settings = new HashMap<>(Map.of("objective", objective, "max_depth", 3, "nthread", 1, "seed", 1));
    settings.put(name, value);
    return settings;
  }

  static void write(Path folder, String name, float[] rows, int columns, float[][] answers) throws IOException {
    StringBuilder text = new StringBuilder();
    for (int at = 0; at < rows.length; at++) {
      text.append(Float.isNaN(rows[at]) ? "NA" : Float.toString(rows[at])).append((at + 1) % columns == 0 ? "\n" : ",");
    }
    Files.writeString(folder.resolve(name + ".rows.csv"), text);
    text.setLength(0);
    for (float[] answer : answers) {
      for (int at = 0; at < answer.length; at++) text.append(at == 0 ? "" : ",").append(answer[at]);
      text.append("\n");
    }
    Files.writeString(folder.resolve(name + ".answers.csv"), text);
  }
}
