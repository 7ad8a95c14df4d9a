// Trains by LightGBM's own binding for the JVM (com.microsoft.ml.lightgbm, made by SWIG, which SynapseML calls) on Fisher's irises,
// saves each model natively, and writes rows and predictions as CSV without a header.
//
//     javac -cp lightgbmlib.jar -d . MakeLightGBM.java
//     java -Djava.library.path=... -cp lightgbmlib.jar:. MakeLightGBM iris.rows.csv FOLDER

import static com.microsoft.ml.lightgbm.lightgbmlib.*;

import com.microsoft.ml.lightgbm.*;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.List;

public class MakeLightGBM {
  static final String SETTINGS = "num_leaves=6 min_data_in_leaf=5 num_threads=1 seed=1 deterministic=true verbosity=-1 ";

  public static void main(String[] arguments) throws IOException {
    System.loadLibrary("_lightgbm_swig");
    List<String> lines = Files.readAllLines(Path.of(arguments[0]));
    Path folder = Files.createDirectories(Path.of(arguments[1]));
    int rows = lines.size();
    float[][] flowers = new float[rows][4];
    float[][] holes = new float[rows][3];
    float[][] zeros = new float[rows][3];
    float[][] kinds = new float[rows][2];
    float[] species = new float[rows];
    float[] virginica = new float[rows];
    float[] widths = new float[rows];
    for (int row = 0; row < rows; row++) {
      String[] values = lines.get(row).split(",");
      for (int column = 0; column < 4; column++) flowers[row][column] = Float.parseFloat(values[column]);
      for (int column = 0; column < 3; column++) {
        boolean hole = (row + column) % 5 == 0;
        holes[row][column] = hole ? Float.NaN : flowers[row][column];
        zeros[row][column] = hole ? 0 : flowers[row][column];
      }
      species[row] = row / 50;
      virginica[row] = row / 100;
      widths[row] = flowers[row][3];
      kinds[row][0] = flowers[row][0];
      kinds[row][1] = row / 50 * 4 + row % 4;
    }
    train(folder, "iris", "objective=multiclass num_class=3", flowers, species);
    train(folder, "virginica", "objective=binary", flowers, virginica);
    train(folder, "holes", "objective=regression", holes, widths);
    train(folder, "categories", "objective=regression categorical_feature=1 min_data_per_group=5 cat_smooth=1", kinds, widths);
    // What the converter of onnxmltools 1.16.0 gets wrong without a word.
    train(folder, "zeros", "objective=regression zero_as_missing=true", zeros, widths);
    train(folder, "forest", "objective=regression boosting=rf bagging_freq=1 bagging_fraction=0.6", flowers, widths);
    train(folder, "steep", "objective=binary sigmoid=2", flowers, virginica);
    train(folder, "each", "objective=multiclassova num_class=3", flowers, species);
    train(folder, "linear", "objective=regression linear_tree=true", flowers, widths);
  }

  static void train(Path folder, String name, String more, float[][] rows, float[] labels) throws IOException {
    int columns = rows[0].length;
    SWIGTYPE_p_float values = new_floatArray((long) rows.length * columns);
    SWIGTYPE_p_float wanted = new_floatArray(rows.length);
    for (int row = 0; row < rows.length; row++) {
      floatArray_setitem(wanted, row, labels[row]);
      for (int column = 0; column < columns; column++) floatArray_setitem(values, (long) row * columns + column, rows[row][column]);
    }
    SWIGTYPE_p_void matrix = float_to_voidp_ptr(values);
    int float32 = lightgbmlibConstants.C_API_DTYPE_FLOAT32;
    SWIGTYPE_p_p_void made = new_voidpp();
    check(LGBM_DatasetCreateFromMat(matrix, float32, rows.length, columns, 1, SETTINGS + more, null, made));
    SWIGTYPE_p_void data = voidpp_value(made);
    check(LGBM_DatasetSetField(data, "label", float_to_voidp_ptr(wanted), rows.length, float32));
    made = new_voidpp();
    check(LGBM_BoosterCreate(data, SETTINGS + more, made));
    SWIGTYPE_p_void model = voidpp_value(made);
    for (int round = 0; round < 10; round++) check(LGBM_BoosterUpdateOneIter(model, new_intp()));
    check(LGBM_BoosterSaveModel(model, 0, -1, 0, folder.resolve(name + ".txt").toString()));

    int classes = more.contains("num_class=3") ? 3 : 1;
    SWIGTYPE_p_double answers = new_doubleArray((long) rows.length * classes);
    int normal = lightgbmlibConstants.C_API_PREDICT_NORMAL;
    check(LGBM_BoosterPredictForMat(model, matrix, float32, rows.length, columns, 1, normal, 0, -1, "", new_int64_tp(), answers));
    StringBuilder shown = new StringBuilder();
    StringBuilder told = new StringBuilder();
    for (int row = 0; row < rows.length; row++) {
      for (int column = 0; column < columns; column++) {
        shown.append(column == 0 ? "" : ",").append(Float.isNaN(rows[row][column]) ? "NA" : Float.toString(rows[row][column]));
      }
      for (int at = 0; at < classes; at++) told.append(at == 0 ? "" : ",").append(doubleArray_getitem(answers, (long) row * classes + at));
      shown.append("\n");
      told.append("\n");
    }
    Files.writeString(folder.resolve(name + ".rows.csv"), shown);
    Files.writeString(folder.resolve(name + ".answers.csv"), told);
  }

  static void check(int code) {
    if (code != 0) throw new IllegalStateException(LGBM_GetLastError());
  }
}
