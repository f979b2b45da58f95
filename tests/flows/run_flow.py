# SPDX-License-Identifier: Apache-2.0
"""run_flow.py FILE: run the unittest cases of one file and print `ok NAME` or `FAIL NAME` a line for tests/run."""
import importlib.util, os, sys, unittest


class Lines(unittest.TestResult):
    """Names are the bare method names (test_R087_share -> R087_share); the trace comes before the FAIL line."""

    def line(self, word, test, text=""):
        name = getattr(test, "_testMethodName", None) or str(test).replace(" ", "_")
        if text:
            print(text.rstrip())
        print("%s %s" % (word, name[5:] if name.startswith("test_") else name), flush=True)

    def addSuccess(self, test):
        self.line("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.line("FAIL", test, self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.line("FAIL", test, self.errors[-1][1])

    def addSkip(self, test, reason):
        self.line("skip", test, reason)

    def addSubTest(self, test, subtest, err):
        if err is not None:
            super().addSubTest(test, subtest, err)
            print(self.failures[-1][1] if self.failures else self.errors[-1][1])
            self.bad_subtest = True

    def startTest(self, test):
        super().startTest(test)
        self.bad_subtest = False

    def stopTest(self, test):
        super().stopTest(test)
        if self.bad_subtest:
            self.line("FAIL", test)


def main():
    path = sys.argv[1]
    sys.path.insert(0, os.path.dirname(os.path.abspath(path)))
    spec = importlib.util.spec_from_file_location(os.path.splitext(os.path.basename(path))[0], path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    result = Lines()
    unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
    sys.exit(0 if result.wasSuccessful() else 1)


main()
