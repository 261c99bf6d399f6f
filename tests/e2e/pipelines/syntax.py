import luigi

class Broken(luigi.Task)
    pass
